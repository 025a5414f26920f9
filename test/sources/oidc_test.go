package sources

import (
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/test/clouds"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

const (
	oidcHost   = "api.cluster.example"
	oidcServer = "https://" + oidcHost + ":6443"
	oidcGitHub = "github:repo:acme/shop:ref:refs/heads/main"
	oidcGitLab = "gitlab:project_path:acme/shop:ref_type:branch:ref:main"
)

// trusting is a control plane that trusts the issuers of two CI systems, each for one audience that tokens have on purpose
// and the one that they have unless a workflow says another.
type trusting struct {
	*kubetest.ControlPlane
	github, gitlab *clouds.Issuer
}

func newTrusting(t *testing.T) *trusting {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	n := clouds.NewInternet(t)
	c := &trusting{
		github: clouds.NewIssuer(t, n, "https://token.actions.githubusercontent.com", clouds.GitHubClaims("acme/shop", "refs/heads/main")),
		gitlab: clouds.NewIssuer(t, n, "https://gitlab.com", clouds.GitLabClaims("acme/shop", "main")),
	}
	audiences := []string{"kubernetes", oidcServer}
	config := filepath.Join(t.TempDir(), "authentication")
	err := os.WriteFile(config, clouds.AuthenticationConfiguration(
		clouds.Trust{Issuer: c.github, Prefix: "github:", Audiences: audiences}, clouds.Trust{Issuer: c.gitlab, Prefix: "gitlab:", Audiences: audiences},
	), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c.ControlPlane = kubetest.New(t, kubetest.Options{Names: []string{oidcHost}, APIServerArgs: []string{"--authentication-config=" + config}})
	for user, token := range map[string]string{
		oidcGitHub: c.github.Token(clouds.GitHubClaims("acme/shop", "refs/heads/main"), "kubernetes"),
		oidcGitLab: c.gitlab.Token(clouds.GitLabClaims("acme/shop", "main"), oidcServer),
	} {
		c.knows(t, user, token)
	}
	return c
}

// knows waits until the API server has looked up an issuer's keys, which it does when it has started.
func (c *trusting) knows(t *testing.T, user, token string) {
	t.Helper()
	content, err := clientcmd.Write(api.Config{
		Clusters:       map[string]*api.Cluster{"c": {Server: c.URL, CertificateAuthorityData: c.CA}},
		AuthInfos:      map[string]*api.AuthInfo{"c": {Token: token}},
		Contexts:       map[string]*api.Context{"c": {Cluster: "c", AuthInfo: "c"}},
		CurrentContext: "c",
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubetest.NewClient(content)
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		var review authenticationv1.SelfSubjectReview
		err := client.Do(t.Context(), http.MethodPost, "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, &review)
		if err == nil && review.Status.UserInfo.Username == user {
			return
		}
		if time.Since(start) > harness.Patience {
			t.Fatalf("the API server takes %s for %q: %v", user, review.Status.UserInfo.Username, err)
		}
	}
}

// job is one without any kubeconfig, whose user has what `kubemint bootstrap` prints, and nothing else.
func (c *trusting) job(t *testing.T, user string) *cloudJob {
	t.Helper()
	j := newCloudJob(t, c.ControlPlane, clouds.NewInternet(t), &api.Config{Clusters: map[string]*api.Cluster{"c": {Server: oidcServer}}})
	j.kubeconfig = nil
	j.grants(t, user)
	j.env = append(j.env, "KUBEMINT_SERVER="+oidcServer, "KUBEMINT_CERTIFICATE_AUTHORITY="+base64.StdEncoding.EncodeToString(c.CA))
	return j
}

// onGitHub is a step that may ask for an ID token.
func (c *trusting) onGitHub(t *testing.T, more ...string) *cloudJob {
	t.Helper()
	j := c.job(t, oidcGitHub)
	j.env = append(j.env, more...)
	j.onGitHub(t, t.TempDir())
	j.env = append(j.env, c.github.Env()...)
	j.internet.Serve(hostOf(t, idTokenURL), c.github)
	return j
}

// onGitLab is a job with an ID token, as GitLab makes it from the keyword id_tokens.
func (c *trusting) onGitLab(t *testing.T, token string) *cloudJob {
	t.Helper()
	j := c.job(t, oidcGitLab)
	j.onGitLab()
	j.env = append(j.env, "KUBEMINT_BEARER_TOKEN="+token)
	return j
}

func (c *trusting) gitLabToken() string {
	return c.gitlab.Token(clouds.GitLabClaims("acme/shop", "main"), "kubernetes")
}

// An API server takes the ID token of a CI system, and what is made of it is revoked with the next one.
func TestOIDC(t *testing.T) {
	t.Parallel()
	c := newTrusting(t)
	for audience, more := range map[string][]string{"kubernetes": {"KUBEMINT_OIDC_AUDIENCE=kubernetes"}, oidcServer: nil} {
		t.Run("GitHub, for "+audience, func(t *testing.T) {
			t.Parallel()
			c.onGitHubWorks(t, c.onGitHub(t, more...), audience)
		})
	}
	t.Run("GitHub masks it", func(t *testing.T) {
		t.Parallel()
		j := c.onGitHub(t, "KUBEMINT_OIDC_AUDIENCE=kubernetes")
		j.isMasked(t, func(t *testing.T, look between) {
			t.Helper()
			const server = "https://" + oidcHost // at the port that an Internet's hosts are served at
			j.fronts(t, server, look)
			j.env = append(j.env, "INPUT_SERVER="+server, "INPUT_CERTIFICATE_AUTHORITY="+base64.StdEncoding.EncodeToString(j.internet.CA()))
		})
	})
	t.Run("GitLab", func(t *testing.T) {
		t.Parallel()
		c.onGitLabWorks(t)
	})
	c.refuses(t)
}

// requested demands how often the runner was asked for an ID token, and nobody else but the API server for anything.
func requested(t *testing.T, j *cloudJob, times int) {
	t.Helper()
	count := 0
	for _, asked := range j.internet.Asked() {
		if asked == "GET "+idTokenURL {
			count++
		} else if asked != "CONNECT "+oidcHost+":6443" {
			t.Errorf("asked was also %s", asked)
		}
	}
	if count != times {
		t.Errorf("an ID token was requested %d times, not %d", count, times)
	}
}

// aToken is the beginning of every JSON Web Token.
var aToken = regexp.MustCompile(`eyJ[\w-]+\.`)

func noToken(t *testing.T, where, text string) {
	t.Helper()
	if found := aToken.FindString(text); found != "" {
		t.Errorf("a token is in the %s:\n%s", where, text)
	}
}

func (c *trusting) onGitHubWorks(t *testing.T, j *cloudJob, audience string) {
	t.Helper()
	noToken(t, "log", j.mints(t))
	requested(t, j, 1)
	masked, _, _ := strings.Cut(strings.TrimPrefix(harness.ReadFile(t, j.stdout), "::add-mask::"), "\n")
	if _, err := c.github.Verify(masked, audience); err != nil {
		t.Errorf("what is masked first is not the token: %v", err)
	}
	first := filepath.Join(j.dir, "kubemint.kubeconfig")
	noToken(t, "receipt", harness.ReadFile(t, first+".receipt"))
	state := j.state(t)
	noToken(t, "state", harness.ReadFile(t, filepath.Join(j.dir, "_temp", "state")))

	// Another step, which finds the first one's result as its KUBECONFIG.
	second := filepath.Join(j.dir, "second")
	more := []string{"KUBECONFIG=" + first, "INPUT_OUTPUT=" + second}
	noToken(t, "log", j.run(t, 0, more))
	requested(t, j, 2)
	noToken(t, "receipt", harness.ReadFile(t, second+".receipt"))
	j.leases(t, 2)
	// Without the input it cannot know of whom to ask a token: the first one's limited credential is not a source.
	harness.AssertSays(t, j.run(t, 3, append(more, "INPUT_SERVER=", "INPUT_OIDC_AUDIENCE=", "INPUT_CERTIFICATE_AUTHORITY=")),
		`^error: read kubeconfig ".*": kubemint wrote it, with an ID token for `+regexp.QuoteMeta(oidcServer)+` as its source, which no receipt holds$`,
		"^hint: give this step the input `server` as well, with what belongs to it$")

	// The post steps, the last step's first.
	more = append(more, j.state(t)...)
	harness.AssertSays(t, j.process(t, 0, "kubemint-revoke", more), `^revoked: lease `+j.namespace+`/`)
	j.leases(t, 1)
	harness.AssertSays(t, j.process(t, 0, "kubemint-revoke", append(state, "KUBECONFIG="+second)), `^revoked: lease `+j.namespace+`/`)
	j.leases(t, 0)
	requested(t, j, 4)
	if audiences := c.github.Audiences(); !slices.Contains(audiences, audience) || slices.Contains(audiences, "") {
		t.Errorf("requested were tokens for %q", audiences)
	}
}

func (c *trusting) onGitLabWorks(t *testing.T) {
	t.Helper()
	token := c.gitLabToken()
	j := c.onGitLab(t, token)
	noToken(t, "log", j.mints(t)+harness.ReadFile(t, j.stdout))
	noToken(t, "receipt", j.receipt(t))
	j.hides(t, harness.ReadFile(t, filepath.Join(j.dir, "kubemint.kubeconfig")), token)

	// after_script, where somebody has forgotten what belongs to the mint.
	harness.AssertSays(t, j.run(t, 7, []string{"KUBEMINT_SERVER=", "KUBEMINT_CERTIFICATE_AUTHORITY=", "KUBEMINT_BEARER_TOKEN="}, "revoke"),
		"^error: revoke: read source: the credential was minted with an ID token for the input `server`$",
		"^hint: give the inputs of the mint to this command as well: `server`, with what belongs to it$",
		`^hint: a credential lives until \S+Z unless you run  kubectl -n `+j.namespace+` delete lease kubemint-kubemint-[a-z0-9]+$`)
	harness.AssertSays(t, j.run(t, 7, []string{"KUBEMINT_BEARER_TOKEN="}, "revoke"),
		"^error: revoke: use server: there is no credential for "+regexp.QuoteMeta(oidcServer)+": no kubeconfig, no `bearer_token`, and the job has no OIDC token to ask for$",
		"^hint: declare an ID token in the job that is the input itself: `id_tokens: {KUBEMINT_BEARER_TOKEN: {aud: …}}`$")
	j.leases(t, 1)
	noToken(t, "log", j.run(t, 0, nil, "revoke"))
	j.leases(t, 0)
	requested(t, j, 0)
}

// tokenRefused returns the lines about an ID token that the API server does not accept: claims, and a command for `kubemint`.
func tokenRefused(said ...string) []string {
	lines := []string{
		`^error: .*: the API server does not accept the runner's credential \(401 Unauthorized\):$`,
		`^    the job's ID token says$`,
		`^hint: an API server accepts the token until it expires, if it trusts this issuer for this audience, and if its rules fit`,
	}
	for _, each := range said {
		if strings.HasPrefix(each, "kubemint ") {
			lines = append(lines, `^hint: an administrator sees what the API server needs for it:  `+each)
		} else {
			lines = append(lines, `^      `+each+`$`)
		}
	}
	return lines
}

func (c *trusting) refuses(t *testing.T) {
	t.Helper()
	expired := clouds.GitLabClaims("acme/shop", "main")
	expired["exp"], expired["nbf"], expired["iat"] = 946684800, 946684500, 946684500
	for name, tc := range map[string]struct {
		job    func(t *testing.T) *cloudJob
		wanted []string
		asks   int
		led    bool // as far as the API server
	}{
		"a job without the permission": {
			job: func(t *testing.T) *cloudJob {
				t.Helper()
				j := c.job(t, oidcGitHub)
				j.onGitHub(t, t.TempDir())
				return j
			},
			wanted: []string{
				"^error: use server: there is no credential for " + regexp.QuoteMeta(oidcServer) + ": no kubeconfig, no `bearer_token`, and the job has no OIDC token to ask for$",
				"^hint: give the job `permissions: {id-token: write}` .*; a workflow that a fork's pull request starts never gets it$",
			},
		},
		"a permission that has ended": {
			job: func(t *testing.T) *cloudJob {
				t.Helper()
				j := c.onGitHub(t)
				j.env = append(j.env, "ACTIONS_ID_TOKEN_REQUEST_TOKEN=of-another-job")
				return j
			},
			wanted: []string{`^error: request the job's OIDC token: the runner answers 401 Unauthorized$`}, asks: 1,
		},
		"another audience": {
			job: func(t *testing.T) *cloudJob { t.Helper(); return c.onGitHub(t, "KUBEMINT_OIDC_AUDIENCE=vault") },
			wanted: tokenRefused("iss: https://token.actions.githubusercontent.com", "aud: vault", "sub: repo:acme/shop:ref:refs/heads/main",
				"kubemint bootstrap --trust github:acme/shop --id 74 --owner-id 65 --ref refs/heads/main"), asks: 1, led: true,
		},
		"another repository": {
			job: func(t *testing.T) *cloudJob {
				t.Helper()
				return c.onGitLab(t, c.gitlab.Token(clouds.GitLabClaims("evil/shop", "main"), "kubernetes"))
			},
			wanted: []string{
				`gitlab:project_path:evil/shop:ref_type:branch:ref:main`,
				`^hint: the job's ID token says  iss: https://gitlab.com; aud: kubernetes; sub: project_path:evil/shop:ref_type:branch:ref:main; `,
				`^hint: an administrator can have the API server name the user by the repository's id, which outlives its name:  ` +
					`kubemint bootstrap --trust gitlab:evil/shop --id 22 --owner-id 72 --ref refs/heads/main$`,
			}, led: true,
		},
		"a token that has expired": {
			job: func(t *testing.T) *cloudJob { t.Helper(); return c.onGitLab(t, c.gitlab.Token(expired, "kubernetes")) },
			wanted: append(
				tokenRefused("iss: https://gitlab.com", "aud: kubernetes", "exp: 2000-01-01T00:00:00Z", "kubemint bootstrap --trust gitlab:acme/shop"),
				"^warning: `bearer_token` expired at 2000-01-01T00:00:00Z$",
			), led: true,
		},
		"another issuer's token": {
			job: func(t *testing.T) *cloudJob {
				t.Helper()
				n := clouds.NewInternet(t)
				impostor := clouds.NewIssuer(t, n, "https://gitlab.com", nil)
				return c.onGitLab(t, impostor.Token(clouds.GitLabClaims("acme/shop", "main"), "kubernetes"))
			},
			wanted: tokenRefused("iss: https://gitlab.com"), led: true,
		},
		"a token that is no JSON Web Token": {
			job:    func(t *testing.T) *cloudJob { t.Helper(); return c.onGitLab(t, "sesame-sesame-sesame") },
			wanted: notAccepted, led: true,
		},
		"claims that would forge the log": {
			job: func(t *testing.T) *cloudJob {
				t.Helper()
				claims := clouds.GitLabClaims("acme/shop", "main")
				claims["sub"], claims["project_path"] = "x\n::set-output name=a::b\x1b[2J", "acme/shop; rm -rf ~"
				return c.onGitLab(t, c.gitlab.Token(claims, "vault"))
			},
			wanted: tokenRefused(`sub: x\\n::set-output name=a::b\\x1b\[2J`), led: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, code := tc.job(t), 3
			if name == "another repository" { // who that is the API server knows, and that it may nothing
				code = 4
			}
			said := j.run(t, code, nil)
			harness.AssertSays(t, said, tc.wanted...)
			noToken(t, "log", said)
			requested(t, j, tc.asks)
			if led := slices.Contains(j.internet.Asked(), "CONNECT "+oidcHost+":6443"); led != tc.led {
				t.Errorf("asked was %q", j.internet.Asked())
			}
			j.leases(t, 0)
		})
	}
}
