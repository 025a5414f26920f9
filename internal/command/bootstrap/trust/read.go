package trust

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/issuer"
)

// The flags of bootstrap that belong to its --trust.
const (
	flagTrust       = "trust"
	flagID          = "id"
	flagOwnerID     = "owner-id"
	flagRef         = "ref"
	flagEnvironment = "environment"
	flagIssuer      = "issuer"
	flagFor         = "for"
)

func flags() []string {
	return []string{flagTrust, flagID, flagOwnerID, flagRef, flagEnvironment, flagIssuer, flagFor}
}

// IsGiven says whether any of the flags is given.
func (a Asked) IsGiven() bool {
	return slices.ContainsFunc(flags(), func(name string) bool { return len(a.Flags[name]) > 0 })
}

const forms = "github:OWNER/REPO or gitlab:GROUP/PROJECT"

// Asked says whose tokens are trusted, and what for.
type Asked struct {
	Flags    map[string][]string // of the command line
	Getenv   func(string) string // of the job that the command runs in, if it runs in one
	Audience string              // that the job asks its tokens for; "" where the inputs do not say
}

// Trust is the trust in the tokens of one repository.
type Trust struct {
	system   issuer.System
	path     string // of the repository
	issuer   string
	audience string
	claims   []claim // a token must have them all
	form     string  // one of formConfig, formEKS, formAKS
}

// claim is one that a token must have.
type claim struct {
	name  string
	value string // "" where it is not known
	about string // in the words of a refusal
}

// Read reads the flags, and returns nil without --trust. Errors have the code [problem.Config].
func Read(asked Asked) (*Trust, error) {
	if err := asked.checkFlags(); err != nil {
		return nil, err
	}
	given := asked.flag(flagTrust)
	if given == "" {
		return nil, nil //nolint:nilnil // there is no trust, and that is no error
	}
	system, path, ok := findSystem(given)
	if !ok {
		return nil, refuseValue(flagTrust, given, "it is not the path of a repository").
			Hint("write " + forms)
	}
	t := &Trust{system: system, path: path, audience: asked.Audience, form: asked.flag(flagFor)}
	var err error
	if t.issuer, err = asked.findIssuer(system); err != nil {
		return nil, err
	}
	if t.claims, err = asked.listClaims(system, path); err != nil {
		return nil, err
	}
	if err := t.checkForm(); err != nil {
		return nil, err
	}
	if t.audience == "" {
		return nil, refuse("--trust needs the audience of the tokens, which no input says").
			Hint("set `server` as in the job, and `oidc_audience` if the job sets it: " +
				"without it the tokens are for the server's URL")
	}
	return t, nil
}

func refuse(format string, args ...any) *problem.Error {
	return problem.Newf(problem.Config, "run bootstrap", format, args...)
}

func refuseValue(flag, value, why string) *problem.Error {
	return problem.Newf(problem.Config, "read --"+flag+" "+strconv.QuoteToASCII(value), "%s", why)
}

// flag is the value of a flag, "" where it is not given.
func (a Asked) flag(name string) string {
	if values := a.Flags[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// checkFlags refuses flags without --trust, and a flag that is empty or given twice: only one of
// the values could count.
func (a Asked) checkFlags() error {
	for _, name := range flags() {
		values := a.Flags[name]
		switch {
		case len(values) > 1:
			twice := refuse("--%s is given %d times", name, len(values)).Hint("give it once")
			if name == flagTrust {
				twice.Hint("to bind a second repository to the same ServiceAccount, add the user that its " +
					"own output names:  --subject user:NAME")
			}
			return twice
		case len(values) == 1 && values[0] == "":
			return refuse("--%s is empty", name).
				Hint("leave it out, or see whether the variable that it comes from is set")
		case len(values) == 1 && len(a.Flags[flagTrust]) == 0:
			return refuse("--%s says more about --trust, which is not given", name).
				Hint("add --trust " + forms)
		}
	}
	return nil
}

func findSystem(given string) (system issuer.System, path string, ok bool) {
	name, path, _ := strings.Cut(given, ":")
	for _, each := range issuer.Systems() {
		if each.Name == name {
			return each, path, each.HasForm(path)
		}
	}
	return issuer.System{}, path, false
}

// isJob reports whether the command runs in a job of the system. Gitea and Forgejo pretend to be
// GitHub.
func (a Asked) isJob(system issuer.System) bool {
	return a.Getenv(system.Variables.Job) == "true" &&
		a.Getenv("GITEA_ACTIONS") != "true" && a.Getenv("FORGEJO_ACTIONS") != "true"
}

// findIssuer returns the issuer of --issuer, else that of the instance whose job this is, else the
// public one.
func (a Asked) findIssuer(system issuer.System) (string, error) {
	at := a.flag(flagIssuer)
	if at == "" {
		at = system.URL
		if a.isJob(system) {
			at = system.Locate(a.Getenv(system.Variables.Server))
		}
	}
	parsed, err := url.Parse(at)
	odd := strings.ContainsAny(at, `?#'"\`) ||
		strings.ContainsFunc(at, func(r rune) bool { return r <= ' ' || r > '~' })
	if err != nil || odd || parsed.Scheme != "https" || parsed.Host == "" || parsed.User != nil {
		return "", refuseValue(flagIssuer, at, "it is not an https URL of host and path").
			Hint("give --issuer the claim `iss` of the job's tokens; API servers accept https alone")
	}
	return at, nil
}

// listClaims returns the claims that a token must have: both ids, and what the flags say.
func (a Asked) listClaims(system issuer.System, path string) ([]claim, error) {
	owner := path[:strings.LastIndex(path, "/")]
	claims := []claim{
		{
			name: system.Claims.ID, value: a.findID(system, path, flagID, system.Variables.ID),
			about: "another repository than " + path,
		},
		{
			name: system.Claims.Owner, value: a.findID(system, path, flagOwnerID, system.Variables.Owner),
			about: "a repository of another owner than " + owner,
		},
	}
	for i, flag := range []string{flagID, flagOwnerID} {
		if value := claims[i].value; value != "" && !isID(value) {
			return nil, refuseValue(flag, value, "an id is a number").
				Hint("look it up:  %s", system.Lookup(path))
		}
	}
	ref := a.flag(flagRef)
	switch {
	case ref == "":
	case !isRef(ref):
		return nil, refuseValue(flagRef, ref, "it is not a full ref, as refs/heads/main or refs/tags/v1 is").
			Hint("a ref is compared as a whole, without patterns; for many tags, bind an environment, " +
				"and say in its settings which tags may deploy to it")
	default:
		claims = append(claims, claim{system.Claims.Ref, ref, "another ref than " + ref})
	}
	environment := a.flag(flagEnvironment)
	switch {
	case environment == "":
	case !isVisible(environment) || len(environment) > longestName:
		return nil, refuseValue(flagEnvironment, environment,
			"it is too long, has white space at an end, or holds a character that does not show").
			Hint("write the name as the job does")
	default:
		claims = append(claims, claim{issuer.Environment, environment, "another environment than " + environment})
	}
	return claims, nil
}

// findID returns the id of a flag, else that of this job if it is one of the repository, else "". An
// id of another repository looks no different, so the names have to agree.
func (a Asked) findID(system issuer.System, path, flag, variable string) string {
	own := a.isJob(system) && strings.EqualFold(a.Getenv(system.Variables.Path), path)
	if value := a.Getenv(variable); a.flag(flag) == "" && own && isID(value) {
		return value
	}
	return a.flag(flag)
}

// isID says whether a value is the id of a repository or of its owner.
func isID(value string) bool { return regexp.MustCompile(`^[1-9][0-9]{0,18}$`).MatchString(value) }

// longestName bounds the name of an environment, in bytes. It has at most 255 characters on GitHub
// and on GitLab.
const longestName = 4 * 255

// isVisible says whether a reviewer sees all of a value.
func isVisible(value string) bool {
	return utf8.ValidString(value) && strings.TrimSpace(value) == value &&
		!strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) })
}

// isRef says whether a value is a full ref (git check-ref-format).
func isRef(ref string) bool {
	parts := strings.Split(ref, "/")
	odd := func(part string) bool {
		return part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock")
	}
	hasForm := len(parts) > 2 && parts[0] == "refs" && !slices.ContainsFunc(parts, odd)
	return hasForm && len(ref) <= longestName && isVisible(ref) &&
		!strings.HasSuffix(ref, ".") && !strings.ContainsAny(ref, " ~^:?*[\\") &&
		!strings.Contains(ref, "..") && !strings.Contains(ref, "@{")
}
