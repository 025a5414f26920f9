package clouds

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-githubactions"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/kubetest"
)

const github = "https://token.actions.githubusercontent.com"

// getenv is the environment that a list of variables makes.
func getenv(env ...string) func(string) string {
	return func(name string) string {
		for _, entry := range env {
			if value, ok := strings.CutPrefix(entry, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

func TestRunnerGivesIDTokens(t *testing.T) {
	t.Parallel()
	n := NewInternet(t)
	issuer := NewIssuer(t, n, github, GitHubClaims("acme/shop", "refs/heads/main"))
	ask := func(audience string, env ...string) (string, error) {
		action := githubactions.New(githubactions.WithGetenv(getenv(env...)), githubactions.WithHTTPClient(n.Client(t)))
		return action.GetIDToken(t.Context(), audience)
	}
	for audience, want := range map[string]string{"api://AzureADTokenExchange": "api://AzureADTokenExchange", "": "https://github.com/acme"} {
		token, err := ask(audience, issuer.Env()...)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := issuer.Verify(token, want)
		if err != nil || claims["sub"] != "repo:acme/shop:ref:refs/heads/main" || claims["repository"] != "acme/shop" || claims["iss"] != github {
			t.Errorf("%v: %v", err, claims)
		}
		if life, ok := claims["exp"].(float64); !ok || life-float64(time.Now().Unix()) > 301 {
			t.Errorf("it expires at %v", claims["exp"])
		}
	}
	if have := len(issuer.Audiences()); have != 2 || issuer.Refused() != 0 {
		t.Errorf("%q, %d refused", issuer.Audiences(), issuer.Refused())
	}
	_, err := ask("x", issuer.Env()[0], "ACTIONS_ID_TOKEN_REQUEST_TOKEN=wrong")
	failed := new(githubactions.RequestFailedError)
	if !errors.As(err, &failed) || failed.StatusCode != http.StatusUnauthorized || issuer.Refused() != 1 || len(issuer.Audiences()) != 2 {
		t.Errorf("with a wrong bearer: %v, %d refused", err, issuer.Refused())
	}
}

// GitHub's docs give these examples (content/actions/concepts/security/openid-connect.md).
func TestSubjects_BothForms(t *testing.T) {
	t.Parallel()
	claims := GitHubClaims("octocat/my-repo", "refs/heads/main")
	claims["repository_owner_id"], claims["repository_id"] = "123456", "456789"
	for want, have := range map[string]any{
		"repo:octocat/my-repo:ref:refs/heads/main":                  claims["sub"],
		"repo:octocat@123456/my-repo@456789:ref:refs/heads/main":    WithIDs(claims)["sub"],
		"repo:octocat/my-repo:environment:Production":               InEnvironment(claims, "Production")["sub"],
		"repo:octocat@123456/my-repo@456789:environment:Production": WithIDs(InEnvironment(claims, "Production"))["sub"],
		"Production": WithIDs(InEnvironment(claims, "Production"))["environment"],
	} {
		if have != want {
			t.Errorf("%v, not %s", have, want)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	n := NewInternet(t)
	claims := GitLabClaims("acme/shop", "main")
	issuer, other := NewIssuer(t, n, "https://gitlab.com", claims), NewIssuer(t, n, "https://gitlab.com", claims)
	good := issuer.Token(claims, "aud", "second")
	if have, err := issuer.Verify(good, "second"); err != nil || have["project_path"] != "acme/shop" {
		t.Errorf("%v: %v", err, have)
	}
	for name, tc := range map[string]struct{ token, want string }{
		"another's key":    {other.Token(claims, "aud"), "ID token: crypto/rsa: verification error"},
		"another audience": {issuer.Token(claims, "other"), "ID token: its audience is other"},
		"another issuer":   {issuer.Token(map[string]any{"iss": github}, "aud"), "ID token: its issuer is " + github},
		"an old one":       {issuer.Token(map[string]any{"exp": 1}, "aud"), "ID token: it has expired"},
		"no token":         {"x", "ID token: illegal base64 data at input byte 0"},
	} {
		if _, err := issuer.Verify(tc.token, "aud"); err == nil || err.Error() != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// whoAmI asks a real API server, with a token.
func whoAmI(t *testing.T, cluster *kubetest.ControlPlane, token string) (authenticationv1.UserInfo, error) {
	t.Helper()
	var review authenticationv1.SelfSubjectReview
	err := cluster.NewTokenClient(t, token).Do(t.Context(), http.MethodPost, "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, &review)
	return review.Status.UserInfo, err
}

func TestAPIServerTakesTheIssuersTokens(t *testing.T) {
	t.Parallel()
	skipShort(t)
	n := NewInternet(t)
	hub := NewIssuer(t, n, github, GitHubClaims("acme/shop", "refs/heads/main"))
	lab := NewIssuer(t, n, "https://gitlab.com", GitLabClaims("acme/shop", "main"))
	config := filepath.Join(t.TempDir(), "authentication")
	content := AuthenticationConfiguration(
		Trust{Issuer: hub, Prefix: "github:", Audiences: []string{"https://cluster.example", "second"}},
		Trust{Issuer: lab, Prefix: "gitlab:", Audiences: []string{"https://cluster.example"}},
	)
	if err := os.WriteFile(config, content, 0o600); err != nil {
		t.Fatal(err)
	}
	cluster := kubetest.New(t, kubetest.Options{NoControllers: true, APIServerArgs: []string{"--authentication-config=" + config}})
	for name, tc := range map[string]struct {
		token, user string // refused where there is no user
	}{
		"GitHub's":         {hub.Token(hub.claims, "second"), "github:repo:acme/shop:ref:refs/heads/main"},
		"GitLab's":         {lab.Token(lab.claims, "https://cluster.example"), "gitlab:project_path:acme/shop:ref_type:branch:ref:main"},
		"a wrong audience": {token: hub.Token(hub.claims, "https://other.example")},
		"an old one":       {token: hub.Token(map[string]any{"sub": "x", "exp": time.Now().Add(-time.Minute).Unix()}, "second")},
		"another's":        {token: lab.Token(map[string]any{"iss": github, "sub": "x"}, "second")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user, err := whoAmI(t, cluster, tc.token)
			for start := time.Now(); tc.user != "" && apierrors.IsUnauthorized(err) && time.Since(start) < 20*time.Second; {
				time.Sleep(50 * time.Millisecond) // it fetches the issuer's documents after its start
				user, err = whoAmI(t, cluster, tc.token)
			}
			if user.Username != tc.user || tc.user == "" && !apierrors.IsUnauthorized(err) || tc.user != "" && err != nil {
				t.Errorf("%q: %v", user.Username, err)
			}
		})
	}
}

func TestAPIServerTakesWhatAVerifierTakes(t *testing.T) {
	t.Parallel()
	skipShort(t)
	first := func(bearer string) (string, []string, error) {
		if bearer == "k8s-aws-v1.first" {
			return "arn:aws:sts::123456789012:assumed-role/deployer", nil, nil
		}
		return "", nil, errors.New("not the first")
	}
	second := func(bearer string) (string, []string, error) {
		if bearer == "second" {
			return "someone", []string{"a", "b"}, nil
		}
		return "", nil, errors.New("not the second")
	}
	hook := httptest.NewServer(Authenticator(first, second))
	t.Cleanup(hook.Close)
	config := filepath.Join(t.TempDir(), "webhook")
	err := os.WriteFile(config, []byte(`{apiVersion: v1, kind: Config, current-context: c, users: [{name: u, user: {}}],
  clusters: [{name: c, cluster: {server: "`+hook.URL+`"}}], contexts: [{name: c, context: {cluster: c, user: u}}]}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cluster := kubetest.New(t, kubetest.Options{NoControllers: true, Names: []string{"*.eks.example", "203.0.113.10"}, APIServerArgs: []string{
		"--authentication-token-webhook-config-file=" + config, "--authentication-token-webhook-version=v1",
	}})
	for token, want := range map[string]authenticationv1.UserInfo{
		"k8s-aws-v1.first": {Username: "arn:aws:sts::123456789012:assumed-role/deployer", Groups: []string{"system:authenticated"}},
		"second":           {Username: "someone", Groups: []string{"a", "b", "system:authenticated"}},
	} {
		have, err := whoAmI(t, cluster, token)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := whoAmI(t, cluster, "third"); !apierrors.IsUnauthorized(err) {
		t.Errorf("what no verifier takes: %v", err)
	}

	// The names of kubetest.Options, reached as a cloud's server is.
	n := NewInternet(t)
	for _, server := range []string{"ABC.eks.example", "203.0.113.10"} {
		n.Route(server, strings.TrimPrefix(cluster.URL, "https://"))
		kubeconfig, err := clientcmd.Load(cluster.AdminKubeconfig())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range kubeconfig.Clusters {
			c.Server, c.ProxyURL = "https://"+server, n.ProxyURL("socks5")
		}
		content, err := clientcmd.Write(*kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		client, err := kubetest.NewClient(content)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Do(t.Context(), http.MethodGet, "/readyz", nil, nil); err != nil {
			t.Error(err)
		}
	}
}

func TestAuthenticatorRefusesWhatIsNoReview(t *testing.T) {
	t.Parallel()
	handler := Authenticator(func(string) (string, []string, error) { return "", nil, errors.New("expired") })
	for body, want := range map[string]string{
		`{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {"token": "x"}}`:      "no verifier takes it\nexpired",
		`{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": {}}`:                  "",
		`{"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1beta1", "spec": {"token": "x"}}`: "",
		`x`: "",
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/", strings.NewReader(body)))
		var review authenticationv1.TokenReview
		if want == "" {
			if w.Code != http.StatusBadRequest {
				t.Errorf("%s: %d", body, w.Code)
			}
		} else if err := json.NewDecoder(w.Body).Decode(&review); err != nil || review.Status.Error != want || review.Status.Authenticated {
			t.Errorf("%s: %v: %+v", body, err, review)
		}
	}
}

func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
}
