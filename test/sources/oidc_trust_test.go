package sources

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/test/clouds"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// acmeShop are flags of a trust with everything that a token can be asked for.
var acmeShop = []string{
	"--trust", "github:acme/shop", "--id", "74", "--owner-id", "65",
	"--ref", "refs/heads/main", "--environment", "production",
}

// trustEnv are the inputs of a job whose tokens are trusted.
var trustEnv = []string{
	"KUBEMINT_SERVER=" + oidcServer, "KUBEMINT_OIDC_AUDIENCE=kubernetes",
	"KUBEMINT_NAMESPACE=shop", "KUBEMINT_RULES=list pods",
}

// printTrust runs bootstrap --trust, and returns the manifests and the configuration that its comment holds.
func printTrust(t *testing.T, env []string, flags ...string) (manifests string, configuration []byte) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := command.Main(t.Context(), command.Process{
		Args: append([]string{"kubemint", "bootstrap"}, flags...), Environ: env, Dir: t.TempDir(),
		Streams: command.Streams{Stdout: &stdout, Stderr: &stderr},
	})
	if code != 0 {
		t.Fatal(&stderr)
	}
	for line := range strings.Lines(stdout.String()) {
		if text, ok := strings.CutPrefix(line, "#| "); ok {
			configuration = append(configuration, text...)
		}
	}
	return stdout.String(), configuration
}

// readEntries returns the authenticators of a printed configuration: an AuthenticationConfiguration, or the one of AKS. Each
// is told where its issuer is, as the API server of a test has no Internet.
func readEntries(t *testing.T, configuration []byte, issuer *clouds.Issuer) (entries []any) {
	t.Helper()
	var read map[string]any
	if err := yaml.UnmarshalStrict(configuration, &read); err != nil {
		t.Fatalf("%v:\n%s", err, configuration)
	}
	if entries, _ = read["jwt"].([]any); entries == nil {
		entries = []any{read}
	}
	for _, entry := range entries {
		at := entry.(map[string]any)["issuer"].(map[string]any)
		if at["url"] != issuer.URL() {
			t.Fatalf("the issuer is %v, not %s", at["url"], issuer.URL())
		}
		issuer.Discover(at)
	}
	return entries
}

// writeEntries writes the file of --authentication-config.
func writeEntries(t *testing.T, entries ...any) (flag string) {
	t.Helper()
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": entries,
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "authentication")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return "--authentication-config=" + file
}

// presented is a token, and what becomes of it.
type presented struct {
	claims   map[string]any
	audience string // "" is the one that is trusted
	refusal  string // in the API server's log; "" where the token is accepted
}

// without are claims without one.
func without(claims map[string]any, name string) map[string]any {
	claims = maps.Clone(claims)
	delete(claims, name)
	return claims
}

// with are claims with one more, or with another value of one.
func with(claims map[string]any, name, value string) map[string]any {
	claims = maps.Clone(claims)
	claims[name] = value
	return claims
}

// gitHubTokens are tokens for a trust in repository 74 of owner 65, refs/heads/main and the environment production. rule
// returns the refusal for a claim that is another one.
func gitHubTokens(rule func(claim, got, want, message string) string) map[string]presented {
	push := clouds.GitHubClaims("acme/shop", "refs/heads/main")
	inProduction := func(claim, value string) map[string]any {
		return clouds.InEnvironment(with(push, claim, value), "production")
	}
	ours := clouds.InEnvironment(push, "production")
	squatter := inProduction("repository_id", "99")
	fork := with(inProduction("repository", "evil/shop"), "repository_id", "75")
	const repository = "another repository than acme/shop"
	const ref = "another ref than refs/heads/main"
	return map[string]presented{
		"the repository, sub by names":         {claims: ours},
		"the repository, sub by ids":           {claims: clouds.WithIDs(ours)},
		"the repository, sub as it customised": {claims: with(ours, "sub", "repository_owner:acme")},
		"the repository, renamed":              {claims: clouds.WithIDs(inProduction("repository", "acme/store"))},
		"another repository":                   {claims: fork, refusal: rule("repository_id", "75", "74", repository)},
		"another repository of the same name":  {claims: squatter, refusal: rule("repository_id", "99", "74", repository)},
		"the same, sub by ids": {
			claims: clouds.WithIDs(squatter), refusal: rule("repository_id", "99", "74", repository),
		},
		"another owner of the same name": {
			claims:  inProduction("repository_owner_id", "66"),
			refusal: rule("repository_owner_id", "66", "65", "a repository of another owner than acme"),
		},
		"another ref": {
			claims:  clouds.WithIDs(inProduction("ref", "refs/heads/feature")),
			refusal: rule("ref", "refs/heads/feature", "refs/heads/main", ref),
		},
		"a pull request": {
			claims:  inProduction("ref", "refs/pull/7/merge"),
			refusal: rule("ref", "refs/pull/7/merge", "refs/heads/main", ref),
		},
		"another environment": {
			claims:  clouds.InEnvironment(push, "staging"),
			refusal: rule("environment", "staging", "production", "another environment than production"),
		},
		"no environment":   {claims: push, refusal: rule("environment", "", "production", "")},
		"another audience": {claims: ours, audience: "vault", refusal: `got ["vault"]`},
	}
}

// present shows an API server tokens, one after the other, and demands whom it takes the holder for, or why it refuses.
func present(t *testing.T, cluster *kubetest.ControlPlane, issuer *clouds.Issuer, user string, tokens map[string]presented) {
	t.Helper()
	for name, each := range tokens {
		audience := "kubernetes"
		if each.audience != "" {
			audience = each.audience
		}
		before, err := cluster.APIServerLog()
		if err != nil {
			t.Fatal(err)
		}
		have := whoIs(t, cluster, issuer.Token(each.claims, audience)).Username
		if each.refusal == "" {
			if have != user {
				t.Errorf("%s: it is %q, not %s", name, have, user)
			}
			continue
		}
		unquote := func(text string) string { return strings.ReplaceAll(text, `\`, "") }
		isLogged := func() (bool, error) {
			log, err := cluster.APIServerLog()
			return strings.Contains(unquote(log[len(before):]), unquote(each.refusal)), err
		}
		if have != "" {
			t.Errorf("%s: it is accepted, as %s", name, have)
			continue
		}
		t.Log(name)
		harness.AwaitTrue(t, isLogged)
	}
}

// whoIs returns whom the API server takes the holder of a token for, nobody where it does not accept it.
func whoIs(t *testing.T, cluster *kubetest.ControlPlane, token string) authenticationv1.UserInfo {
	t.Helper()
	var review authenticationv1.SelfSubjectReview
	const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
	err := cluster.NewTokenClient(t, token).Do(t.Context(), http.MethodPost, path, review, &review)
	if err != nil && !strings.Contains(err.Error(), "Unauthorized") {
		t.Fatal(err)
	}
	return review.Status.UserInfo
}

// awaitTrust waits until the API server has looked up an issuer's keys.
func awaitTrust(t *testing.T, cluster *kubetest.ControlPlane, token string) {
	t.Helper()
	harness.AwaitTrue(t, func() (bool, error) { return whoIs(t, cluster, token).Username != "", nil })
}

// A token gets in if it is for the audience, and of the repository, the owner, the ref and the environment that were named, by
// ids: whatever its sub, and whatever the repository's name is by now.
func TestTrust_OnAnAPIServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	n := clouds.NewInternet(t)
	ours := clouds.InEnvironment(clouds.GitHubClaims("acme/shop", "refs/heads/main"), "production")
	github := clouds.NewIssuer(t, n, "https://token.actions.githubusercontent.com", ours)
	gitlab := clouds.NewIssuer(t, n, "https://gitlab.com", nil)
	_, config := printTrust(t, trustEnv, acmeShop...)
	const odd = `a" || true || "\b: #é`
	_, aks := printTrust(t, trustEnv, "--trust", "gitlab:acme/tools/shop",
		"--id", "22", "--owner-id", "72", "--environment", odd, "--for", "aks")
	flag := writeEntries(t, append(readEntries(t, config, github), readEntries(t, aks, gitlab)...)...)
	cluster := kubetest.New(t, kubetest.Options{Names: []string{oidcHost}, APIServerArgs: []string{flag}})
	awaitTrust(t, cluster, github.Token(ours, "kubernetes"))

	t.Log("GitHub")
	present(t, cluster, github, "github:repository_id:74", gitHubTokens(func(claim, _, want, message string) string {
		if message == "" {
			return "no such key: " + claim
		}
		return `validation expression 'claims.` + claim + ` == "` + want + `"' failed: ` + message
	}))
	// An audit event has it, where the ids of the name tell a person nothing.
	if sub := whoIs(t, cluster, github.Token(ours, "kubernetes")).Extra["kubemint/sub"]; len(sub) != 1 || sub[0] != ours["sub"] {
		t.Errorf("the user's sub is %q", sub)
	}
	stranger := clouds.NewIssuer(t, clouds.NewInternet(t), github.URL(), nil)
	present(t, cluster, stranger, "", map[string]presented{
		"another issuer": {claims: ours, refusal: "failed to verify signature"},
	})
	t.Log("GitLab, in the form of AKS")
	project := with(clouds.GitLabClaims("acme/tools/shop", "main"), "environment", odd)
	awaitTrust(t, cluster, gitlab.Token(project, "kubernetes"))
	present(t, cluster, gitlab, "aks:jwt:gitlab:project_id:22", map[string]presented{
		"the project":        {claims: project},
		"the project, moved": {claims: with(project, "project_path", "acme/store")},
		"another project": {
			claims: with(project, "project_id", "23"), refusal: "another repository than acme/tools/shop",
		},
		"another namespace": {
			claims: with(project, "namespace_id", "73"), refusal: "a repository of another owner than acme/tools",
		},
		"another environment": {
			claims: with(project, "environment", "b"), refusal: "another environment than a",
		},
		"no environment":         {claims: without(project, "environment"), refusal: "no such key: environment"},
		"without a project's id": {claims: without(project, "project_id"), refusal: "no such key: project_id"},
	})
	mintsByTrust(t, cluster, github)
}

// mintsByTrust runs a job with the printed bindings, and with nothing else, for each form of the claim sub.
func mintsByTrust(t *testing.T, cluster *kubetest.ControlPlane, issuer *clouds.Issuer) {
	t.Helper()
	ours := clouds.InEnvironment(clouds.GitHubClaims("acme/shop", "refs/heads/main"), "production")
	for _, claims := range []map[string]any{ours, clouds.WithIDs(ours)} {
		t.Log(claims["sub"])
		j := newCloudJob(t, cluster, clouds.NewInternet(t), &api.Config{
			Clusters: map[string]*api.Cluster{"c": {Server: oidcServer}},
		})
		j.kubeconfig = nil
		j.env = append(
			j.env, "KUBEMINT_SERVER="+oidcServer, "KUBEMINT_OIDC_AUDIENCE=kubernetes",
			"KUBEMINT_CERTIFICATE_AUTHORITY="+base64.StdEncoding.EncodeToString(cluster.CA),
		)
		manifests, _ := printTrust(t, j.env, acmeShop...)
		if err := cluster.Apply(t.Context(), manifests); err != nil {
			t.Fatal(err)
		}
		j.awaitGrant(t, "github:repository_id:74")
		issuer.Claim(claims)
		j.onGitHub(t, t.TempDir())
		j.env = append(j.env, issuer.Env()...)
		j.internet.Serve(hostOf(t, idTokenURL), issuer)
		noToken(t, "log", j.mints(t))
		harness.AssertSays(t, j.process(t, 0, "kubemint-revoke", j.state(t)), `^revoked: lease `+j.namespace+`/`)
		j.leases(t, 0)
	}
}

// docs/sources.md shows a printed configuration, and the rule of two repositories.
func TestTrust_AsThePageSays(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	_, printed := printTrust(t, trustEnv, acmeShop...)
	page := harness.ReadFile(t, filepath.Join("docs", "sources.md"))
	if !strings.Contains(page, "```yaml\n"+string(printed)+"```\n") {
		t.Errorf("docs/sources.md does not show\n%s", printed)
	}
	_, block, _ := strings.Cut(page, "```yaml\n  - expression: ")
	block, _, _ = strings.Cut("  - expression: "+block, "```\n")
	var rules []any
	if err := yaml.Unmarshal([]byte(block), &rules); err != nil || len(rules) != 2 {
		t.Fatalf("the page's rules: %v\n%s", err, block)
	}
	issuer := clouds.NewIssuer(t, clouds.NewInternet(t), "https://token.actions.githubusercontent.com", nil)
	entries := readEntries(t, printed, issuer)
	entries[0].(map[string]any)["claimValidationRules"] = rules
	flag := writeEntries(t, entries...)
	cluster := kubetest.New(t, kubetest.Options{NoControllers: true, APIServerArgs: []string{flag}})
	shop := clouds.GitHubClaims("acme/shop", "refs/heads/main")
	web := with(clouds.GitHubClaims("acme/web", "refs/tags/v1"), "repository_id", "75")
	awaitTrust(t, cluster, issuer.Token(shop, "kubernetes"))
	const neither = "neither main of acme/shop nor production of acme/web"
	present(t, cluster, issuer, "github:repository_id:74", map[string]presented{
		"shop, main":                   {claims: shop},
		"shop, transferred":            {claims: with(shop, "repository_owner_id", "66"), refusal: "another owner than acme"},
		"shop, a branch in production": {claims: clouds.InEnvironment(with(shop, "ref", "refs/heads/x"), "production"), refusal: neither},
	})
	present(t, cluster, issuer, "github:repository_id:75", map[string]presented{
		"web, production":     {claims: clouds.InEnvironment(web, "production")},
		"web, main":           {claims: with(web, "ref", "refs/heads/main"), refusal: "no such key: environment"},
		"a third, production": {claims: clouds.InEnvironment(with(web, "repository_id", "76"), "production"), refusal: neither},
	})
}

// A gap is no value that somebody can forget: the API server does not start with it.
func TestTrust_AGapIsRefused(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	issuer := clouds.NewIssuer(t, clouds.NewInternet(t), "https://token.actions.githubusercontent.com", nil)
	_, config := printTrust(t, trustEnv, "--trust", "github:acme/shop", "--owner-id", "65")
	flag := writeEntries(t, readEntries(t, config, issuer)...)
	cluster, err := kubetest.Start(t.Context(), kubetest.Options{NoControllers: true, APIServerArgs: []string{flag}})
	if err == nil {
		cluster.Close()
		t.Fatal("the API server takes a gap")
	}
	if !strings.Contains(err.Error(), "undeclared reference to 'REPOSITORY_ID'") {
		t.Error(err)
	}
}

// EKS compares required claims, as the older flags of kube-apiserver do. With them the issuer has to be at its URL, so this one
// is another instance, at an address of its own.
func TestTrust_TheFormOfEKS(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	issuer := clouds.NewIssuer(t, clouds.NewInternet(t), "", nil)
	_, printed := printTrust(t, trustEnv, append(acmeShop, "--issuer", issuer.URL(), "--for", "eks")...)
	var provider struct {
		IdentityProviderConfigName, IssuerURL, ClientID, UsernameClaim, UsernamePrefix string
		RequiredClaims                                                                 map[string]string
	}
	decoder := json.NewDecoder(bytes.NewReader(printed))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&provider); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, issuer.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{
		"--oidc-issuer-url=" + provider.IssuerURL, "--oidc-client-id=" + provider.ClientID, "--oidc-ca-file=" + ca,
		"--oidc-username-claim=" + provider.UsernameClaim, "--oidc-username-prefix=" + provider.UsernamePrefix,
	}
	for claim, value := range provider.RequiredClaims {
		flags = append(flags, "--oidc-required-claim="+claim+"="+value)
	}
	cluster := kubetest.New(t, kubetest.Options{NoControllers: true, APIServerArgs: flags})
	ours := clouds.InEnvironment(clouds.GitHubClaims("acme/shop", "refs/heads/main"), "production")
	awaitTrust(t, cluster, issuer.Token(ours, "kubernetes"))
	user := "github:" + strings.TrimPrefix(issuer.URL(), "https://") + ":repository_id:74"
	present(t, cluster, issuer, user, gitHubTokens(func(claim, got, want, _ string) string {
		if got == "" {
			return "oidc: required claim " + claim + " not present in ID token"
		}
		return "oidc: required claim " + claim + " value does not match. Got = " + got + ", want = " + want
	}))
}
