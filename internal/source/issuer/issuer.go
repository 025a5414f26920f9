package issuer

import (
	"net/url"
	"regexp"
	"strings"
)

// System is a CI system that gives its jobs ID tokens.
type System struct {
	Name      string // as `bootstrap --trust` writes it
	URL       string // the issuer of the public instance
	Claims    Fields
	Variables Fields // of a job, with the same values

	// Lookup returns a command that prints both ids of a repository, as flags.
	Lookup func(path string) string

	path   *regexp.Regexp
	locate func(server *url.URL) string // the issuer of another instance
}

// Fields are names of claims or of environment variables, by what they say.
type Fields struct {
	Job    string // whether this is a job of the system; no claim has it
	Server string // URL of the instance; no claim has it
	Path   string
	ID     string // of the repository; it stays when the repository is renamed or transferred
	Owner  string // id of the repository's owner
	Ref    string // fully qualified, as refs/heads/main; of claims alone
}

// Environment is the claim of both systems with the environment that a job deploys to.
const Environment = "environment"

// Systems returns the known systems.
//
// Sources: GitHub's docs, "OpenID Connect reference" and "Network details for GHE.com"; GitLab's
// docs, "OpenID Connect (OIDC) Authentication Using ID Tokens".
func Systems() []System {
	return []System{
		{
			Name: "github", URL: "https://token.actions.githubusercontent.com",
			Lookup: func(path string) string {
				return "gh api repos/" + path + ` --jq '"--id \(.id) --owner-id \(.owner.id)"'`
			},
			Claims: Fields{
				Path: "repository", ID: "repository_id", Owner: "repository_owner_id", Ref: "ref",
			},
			Variables: Fields{
				Job: "GITHUB_ACTIONS", Server: "GITHUB_SERVER_URL", Path: "GITHUB_REPOSITORY",
				ID: "GITHUB_REPOSITORY_ID", Owner: "GITHUB_REPOSITORY_OWNER_ID",
			},
			path:   regexp.MustCompile(`^[A-Za-z0-9_-]+/[A-Za-z0-9._-]+$`),
			locate: locateGitHub,
		},
		{
			Name: "gitlab", URL: "https://gitlab.com",
			Lookup: func(path string) string {
				return "glab api projects/" + url.PathEscape(path) +
					` | jq -r '"--id \(.id) --owner-id \(.namespace.id)"'`
			},
			Claims: Fields{
				Path: "project_path", ID: "project_id", Owner: "namespace_id", Ref: "ref_path",
			},
			Variables: Fields{
				Job: "GITLAB_CI", Server: "CI_SERVER_URL", Path: "CI_PROJECT_PATH",
				ID: "CI_PROJECT_ID", Owner: "CI_PROJECT_NAMESPACE_ID",
			},
			path:   regexp.MustCompile(`^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$`),
			locate: func(server *url.URL) string { return strings.TrimRight(server.String(), "/") },
		},
	}
}

// longestPath keeps a comment readable. Both systems allow less than 256 characters for a name.
const longestPath = 1024

// HasForm reports whether a path is one of a repository. Only letters, digits and `_.-/` are in it.
func (s System) HasForm(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return false
		}
	}
	return len(path) <= longestPath && s.path.MatchString(path)
}

// Locate returns the issuer of the instance with this server, as a job's environment has it.
func (s System) Locate(server string) string {
	at, err := url.Parse(server)
	if err != nil || server == "" || at.Host == "github.com" {
		return s.URL
	}
	return s.locate(at)
}

// locateGitHub finds the issuer of GHE.com, or of a GitHub Enterprise Server.
func locateGitHub(server *url.URL) string {
	if strings.HasSuffix(server.Host, ".ghe.com") {
		return "https://token.actions." + server.Host
	}
	return strings.TrimRight(server.String(), "/") + "/_services/token"
}

// UserPrefix begins the name of a user that ends with the repository's id. It names the instance
// unless that is the public one: each instance counts its ids from one.
func (s System) UserPrefix(issuer string) string {
	instance := ""
	if issuer != s.URL {
		instance = strings.TrimPrefix(issuer, "https://") + ":"
	}
	return s.Name + ":" + instance + s.Claims.ID + ":"
}
