package gke_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/cloud"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
	"github.com/kubemint/kubemint/test/clouds"
)

const (
	deployer   = "deployer@made-up-project.iam.gserviceaccount.com"
	builder    = "builder@made-up-project.iam.gserviceaccount.com"
	person     = "sidney@example.com"
	principal  = "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/subject/repo:acme/shop"
	audience   = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/ci/providers/ci"
	idToken    = "eyJ.sesame.of-the-job"
	typeJWT    = "urn:ietf:params:oauth:token-type:jwt"
	unreadable = "unreadable"
	asBuilder  = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + builder + ":generateAccessToken"
)

// googleWorld is a runner, and all that it reaches: Google, and GitHub's endpoint for ID tokens.
type googleWorld struct {
	*clouds.Google
	env    map[string]string
	files  map[string]string
	client *http.Client
	github func(w http.ResponseWriter, r *http.Request)

	mu    sync.Mutex
	asked []string
}

func newGoogleWorld(t *testing.T) *googleWorld {
	t.Helper()
	w := &googleWorld{Google: clouds.NewGoogle(), env: map[string]string{"HOME": "/root"}, files: map[string]string{}}
	w.Trust(audience, typeJWT, func(subject string) (string, error) {
		if subject != idToken {
			return "", errors.New("rejected by the attribute condition")
		}
		return principal, nil
	})
	w.github = func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.String() != "/idtoken?api-version=2.0&audience=sesame" || r.Header.Get("Authorization") != "Bearer sesame-bearer" {
			http.Error(rw, "eyJ.sesame", http.StatusForbidden)
			return
		}
		fmt.Fprintf(rw, `{"count": 1, "value": %q}`, idToken)
	}
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked = append(w.asked, r.Host+r.URL.Path)
		w.mu.Unlock()
		if r.Host == "run.actions.githubusercontent.com" {
			w.github(rw, r)
			return
		}
		w.ServeHTTP(rw, r)
	})
	secure, plain := httptest.NewTLSServer(handler), httptest.NewServer(handler)
	t.Cleanup(secure.Close)
	t.Cleanup(plain.Close)
	transport := secure.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = "example.com" // of httptest's certificate
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AddCert(secure.Certificate())
	transport.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme == "http" {
			return nil, errors.New("the metadata server is not behind a proxy")
		}
		return nil, nil
	}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		server := secure
		if strings.HasSuffix(address, ":80") {
			server = plain
		}
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	w.client = &http.Client{Transport: transport}
	return w
}

func (w *googleWorld) runner() plugin.Runner {
	return plugin.Runner{
		Getenv: func(name string) string { return w.env[name] },
		ReadFile: func(path string) ([]byte, error) {
			if content, ok := w.files[path]; ok && content == unreadable {
				return nil, syscall.EACCES
			} else if ok {
				return []byte(content), nil
			}
			return nil, syscall.ENOENT
		},
		HTTP: w.client,
	}
}

// login is a token for a stanza, and whose it is.
func (w *googleWorld) login(t *testing.T, s plugin.Stanza) (user string, until time.Time, err error) {
	t.Helper()
	l, err := cloud.For(s, w.runner())
	if err != nil {
		return "", time.Time{}, err
	}
	var got secret.Value
	if got, until, err = l.Token(t.Context()); err != nil {
		return "", time.Time{}, err
	}
	user, _, err = w.Verify(got.Reveal())
	return user, until, err
}

func gkeStanza(args ...string) plugin.Stanza {
	return plugin.Stanza{Program: "gke-gcloud-auth-plugin", Args: args, Server: &url.URL{Scheme: "https", Host: "203.0.113.10"}}
}

// external is a credential file of workload identity federation, with changes.
func external(t *testing.T, changes map[string]any) string {
	t.Helper()
	return jsonOf(t, map[string]any{
		"type": "external_account", "audience": audience, "subject_token_type": typeJWT, "token_url": "https://sts.googleapis.com/v1/token",
		"credential_source": map[string]any{
			"url":     "https://run.actions.githubusercontent.com/idtoken?api-version=2.0&audience=sesame",
			"headers": map[string]string{"Authorization": "Bearer sesame-bearer"},
			"format":  map[string]string{"type": "json", "subject_token_field_name": "value"},
		},
	}, changes)
}

func jsonOf(t *testing.T, all ...map[string]any) string {
	t.Helper()
	merged := map[string]any{}
	for _, fields := range all {
		maps.Copy(merged, fields)
	}
	text, err := json.Marshal(merged)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func source(fields string) map[string]any { return map[string]any{"credential_source": raw(fields)} }

// told is an error with its hints, which is of exit code 3 and holds no secret of these tests.
func told(t *testing.T, err error) string {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) || p.Code != problem.Source {
		t.Fatalf("no error of code 3: %v", err)
	}
	text := clouds.ShowError(t, p.Error(), p.Hints, plugin.CheckLogin)
	for _, secret := range []string{"sesame", "ya29.", "1//", "eyJ", "PRIVATE KEY", "client-secret"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in the error: %s", secret, text)
		}
	}
	return text
}

const (
	atOAuth  = "oauth2.googleapis.com/token"
	atSTS    = "sts.googleapis.com/v1/token"
	atGitHub = "run.actions.githubusercontent.com/idtoken"
	asWhom   = "iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
)

func TestGKECredentials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set   func(t *testing.T, w *googleWorld)
		args  []string
		user  string
		asked []string
	}{
		"a service account's key": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				w.use("GOOGLE_APPLICATION_CREDENTIALS", string(w.ServiceAccountKey(t, deployer)))
			},
			nil, deployer,
			[]string{atOAuth},
		},
		"a person's login": {
			func(_ *testing.T, w *googleWorld) {
				w.use("GOOGLE_APPLICATION_CREDENTIALS", string(w.AuthorizedUser(person)))
			},
			nil, person,
			[]string{atOAuth},
		},
		"a workforce's login": {
			func(_ *testing.T, w *googleWorld) {
				w.use("GOOGLE_APPLICATION_CREDENTIALS", string(w.WorkforceUser("principal://iam.googleapis.com/locations/global/workforcePools/p/subject/s")))
			},
			nil, "principal://iam.googleapis.com/locations/global/workforcePools/p/subject/s",
			[]string{"sts.googleapis.com/v1/oauthtoken"},
		},
		"a job's identity": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				w.use("GOOGLE_APPLICATION_CREDENTIALS", external(t, nil))
			},
			nil, principal,
			[]string{atGitHub, atSTS},
		},
		"a job's identity, as a service account": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				w.Allow(principal, builder)
				w.use("GOOGLE_APPLICATION_CREDENTIALS", external(t, map[string]any{"service_account_impersonation_url": asBuilder}))
			},
			nil, builder,
			[]string{atGitHub, atSTS, asWhom + builder + ":generateAccessToken"},
		},
		"an ID token in a file": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				w.files["/builds/token"] = idToken + "\n"
				w.use("GOOGLE_APPLICATION_CREDENTIALS", external(t, source(`{"file": "/builds/token"}`)))
			},
			nil, principal,
			[]string{atSTS},
		},
		"an ID token in a JSON file": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				w.files["/builds/token"] = `{"id_token": "` + idToken + `"}`
				w.use("GOOGLE_APPLICATION_CREDENTIALS",
					external(t, source(`{"file": "/builds/token", "format": {"type": "json", "subject_token_field_name": "id_token"}}`)))
			},
			nil, principal,
			[]string{atSTS},
		},
		"an impersonation of the file": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				w.Allow(person, builder)
				w.use("GOOGLE_APPLICATION_CREDENTIALS", jsonOf(t, map[string]any{
					"type": "impersonated_service_account", "service_account_impersonation_url": asBuilder,
					"source_credentials": raw(string(w.AuthorizedUser(person))),
				}))
			},
			nil, builder,
			[]string{atOAuth, asWhom + builder + ":generateAccessToken"},
		},
		"an impersonation of the file, by way of another": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				w.Allow(principal, deployer)
				w.Allow(deployer, builder)
				w.use("GOOGLE_APPLICATION_CREDENTIALS", jsonOf(t, map[string]any{
					"type": "impersonated_service_account", "service_account_impersonation_url": asBuilder,
					"delegates": []string{"projects/-/serviceAccounts/" + deployer}, "source_credentials": raw(external(t, nil)),
				}))
			},
			nil, builder,
			[]string{atGitHub, atSTS, asWhom + builder + ":generateAccessToken"},
		},
		"gcloud's application default credentials": {
			func(_ *testing.T, w *googleWorld) {
				w.files["/root/.config/gcloud/application_default_credentials.json"] = string(w.AuthorizedUser(person))
			},
			nil, person,
			[]string{atOAuth},
		},
		"those of another directory": {
			func(_ *testing.T, w *googleWorld) {
				w.env["CLOUDSDK_CONFIG"] = "/gcloud"
				w.files["/gcloud/application_default_credentials.json"] = string(w.AuthorizedUser(person))
				w.files["/root/.config/gcloud/application_default_credentials.json"] = "sesame"
			},
			nil, person,
			[]string{atOAuth},
		},
		"the machine's": {
			func(_ *testing.T, w *googleWorld) { w.Machine(deployer) },
			nil, deployer,
			[]string{"169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token"},
		},
		"the machine's, elsewhere": {
			func(_ *testing.T, w *googleWorld) {
				w.Machine(deployer)
				w.env["GCE_METADATA_HOST"] = "metadata.google.internal"
			},
			nil, deployer,
			[]string{"metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"},
		},
		"gcloud reads its own variable first": {
			func(_ *testing.T, w *googleWorld) {
				w.use("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", string(w.AuthorizedUser(person)))
				w.use("GOOGLE_APPLICATION_CREDENTIALS", "sesame")
			},
			nil, person,
			[]string{atOAuth},
		},
		"but not for application default credentials": {
			func(_ *testing.T, w *googleWorld) {
				w.use("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "sesame")
				w.use("GOOGLE_APPLICATION_CREDENTIALS", string(w.AuthorizedUser(person)))
			},
			[]string{"--use_application_default_credentials"},
			person,
			[]string{atOAuth},
		},
		"a token of an earlier step": {
			func(_ *testing.T, w *googleWorld) {
				w.env["CLOUDSDK_AUTH_ACCESS_TOKEN"] = w.Issue(deployer, clouds.CloudPlatform, clouds.UserinfoEmail)
				w.env["CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT"] = builder // the plugin does not get as far as to ask gcloud
				w.use("GOOGLE_APPLICATION_CREDENTIALS", "sesame")
			},
			nil, deployer, nil,
		},
		"a token of an earlier step in a file": {
			func(_ *testing.T, w *googleWorld) {
				w.use("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", w.Issue(deployer, clouds.CloudPlatform, clouds.UserinfoEmail)+"\n")
				w.use("GOOGLE_APPLICATION_CREDENTIALS", "sesame")
			},
			nil, deployer, nil,
		},
		"not for application default credentials": {
			func(_ *testing.T, w *googleWorld) {
				w.env["CLOUDSDK_AUTH_ACCESS_TOKEN"] = w.Issue(deployer, clouds.CloudPlatform, clouds.UserinfoEmail)
				w.env["CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT"] = builder
				w.use("GOOGLE_APPLICATION_CREDENTIALS", string(w.AuthorizedUser(person)))
			},
			[]string{"--use_application_default_credentials"},
			person,
			[]string{atOAuth},
		},
		"nor is gcloud's impersonation": {
			func(_ *testing.T, w *googleWorld) {
				w.env["CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT"] = builder
				w.use("GOOGLE_APPLICATION_CREDENTIALS", string(w.AuthorizedUser(person)))
			},
			[]string{"--use_application_default_credentials"},
			person,
			[]string{atOAuth},
		},
		"impersonation by the kubeconfig": {
			func(_ *testing.T, w *googleWorld) {
				w.Allow(person, builder)
				w.use("GOOGLE_APPLICATION_CREDENTIALS", string(w.AuthorizedUser(person)))
			},
			[]string{"--use_application_default_credentials", "--impersonate_service_account=" + builder},
			builder,
			[]string{atOAuth, asWhom + builder + ":generateAccessToken"},
		},
		"impersonation by way of another, of a given token": {
			func(_ *testing.T, w *googleWorld) {
				w.Allow(person, deployer)
				w.Allow(deployer, builder)
				w.env["CLOUDSDK_AUTH_ACCESS_TOKEN"] = w.Issue(person, clouds.CloudPlatform)
			},
			[]string{"--impersonate_service_account", deployer + ", " + builder},
			builder,
			[]string{asWhom + builder + ":generateAccessToken"},
		},
		"impersonation by the environment": {
			func(_ *testing.T, w *googleWorld) {
				w.Allow(person, builder)
				w.env["CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT"] = builder
				w.use("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", string(w.AuthorizedUser(person)))
			},
			[]string{"--project=shop", "-v", "4", "--logtostderr"},
			builder,
			[]string{atOAuth, asWhom + builder + ":generateAccessToken"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newGoogleWorld(t)
			c.set(t, w)
			user, until, err := w.login(t, gkeStanza(c.args...))
			if err != nil {
				t.Fatal(err)
			}
			if user != c.user {
				t.Errorf("the token is of %s, want %s", user, c.user)
			}
			if left := time.Until(until); len(c.asked) > 0 && (left < 50*time.Minute || left > time.Hour) || len(c.asked) == 0 && !until.IsZero() {
				t.Errorf("it expires at %s", until)
			}
			if diff := cmp.Diff(c.asked, w.asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// use makes a variable name a file.
func (w *googleWorld) use(variable, content string) {
	w.env[variable], w.files["/"+variable] = "/"+variable, content
}

// An AWS source is the library's, and reads the environment of the process.
func TestGKECredentialOfAnAWSMachine(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAMADEUP")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "sesame")
	t.Setenv("AWS_SESSION_TOKEN", "")
	t.Setenv("AWS_REGION", "eu-west-1")
	w := newGoogleWorld(t)
	const typeAWS = "urn:ietf:params:aws:token-type:aws4_request"
	w.Trust(audience, typeAWS, func(subject string) (string, error) {
		text, err := url.QueryUnescape(subject)
		var request struct {
			URL, Method string
			Headers     []struct{ Key, Value string }
		}
		if err == nil {
			err = json.Unmarshal([]byte(text), &request)
		}
		signed := slices.ContainsFunc(request.Headers, func(h struct{ Key, Value string }) bool {
			return h.Key == "Authorization" && strings.HasPrefix(h.Value, "AWS4-HMAC-SHA256 Credential=AKIAMADEUP/")
		})
		if err != nil || !signed || request.Method != http.MethodPost ||
			request.URL != "https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15" {
			return "", fmt.Errorf("not a signed request of AWS: %w", err)
		}
		return principal, nil
	})
	w.use("GOOGLE_APPLICATION_CREDENTIALS", external(t, map[string]any{
		"subject_token_type": typeAWS, "credential_source": raw(`{"environment_id": "aws1",
			"regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}`),
	}))
	if user, _, err := w.login(t, gkeStanza()); err != nil || user != principal {
		t.Errorf("%s, %v", user, err)
	}
}

func TestGKEStanzasThatAreRefused(t *testing.T) {
	t.Parallel()
	const out = "\ntake %s out of the kubeconfig, or put a token into it in an earlier step"
	for name, c := range map[string]struct {
		s    plugin.Stanza
		want string
	}{
		"another login of gcloud's": {
			gkeStanza("--account=sesame@example.com"),
			"gke-gcloud-auth-plugin's argument --account has no counterpart here" + fmt.Sprintf(out, "--account"),
		},
		"Edge Cloud":        {gkeStanza("--use_edge_cloud"), "gke-gcloud-auth-plugin's argument --use_edge_cloud has no counterpart here" + fmt.Sprintf(out, "--use_edge_cloud")},
		"the version":       {gkeStanza("--version"), "gke-gcloud-auth-plugin's argument --version has no counterpart here" + fmt.Sprintf(out, "--version")},
		"a word":            {gkeStanza("sesame"), "gke-gcloud-auth-plugin has an argument that is not a flag"},
		"nobody":            {gkeStanza("--impersonate_service_account=sesame@example.com"), "--impersonate_service_account is not the address of a service account, or a list of them"},
		"a path":            {gkeStanza("--impersonate_service_account=" + deployer + "/../sesame"), "--impersonate_service_account is not the address of a service account, or a list of them"},
		"a query":           {gkeStanza("--impersonate_service_account=a?b@sesame.gserviceaccount.com"), "--impersonate_service_account is not the address of a service account, or a list of them"},
		"an end of a line":  {gkeStanza("--impersonate_service_account=" + deployer + "\n,"), "--impersonate_service_account is not the address of a service account, or a list of them"},
		"a list with a gap": {gkeStanza("--impersonate_service_account=" + deployer + ",,"), "--impersonate_service_account is not the address of a service account, or a list of them"},
		"another account by a variable": {
			plugin.Stanza{Program: "gke-gcloud-auth-plugin", Env: map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "/sesame"}},
			"its variable GOOGLE_APPLICATION_CREDENTIALS would choose another account than this step's environment does\n" +
				"set GOOGLE_APPLICATION_CREDENTIALS for this step, and take it out of the kubeconfig",
		},
		"a token by a variable": {
			plugin.Stanza{Program: "gke-gcloud-auth-plugin", Env: map[string]string{"CLOUDSDK_AUTH_ACCESS_TOKEN": "sesame"}},
			"its variable CLOUDSDK_AUTH_ACCESS_TOKEN would choose another account than this step's environment does\n" +
				"set CLOUDSDK_AUTH_ACCESS_TOKEN for this step, and take it out of the kubeconfig",
		},
		"another metadata server": {
			plugin.Stanza{Program: "gke-gcloud-auth-plugin", Env: map[string]string{"GCE_METADATA_HOST": "sesame"}},
			"its variable GCE_METADATA_HOST would choose another account than this step's environment does\n" +
				"set GCE_METADATA_HOST for this step, and take it out of the kubeconfig",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := cloud.For(c.s, newGoogleWorld(t).runner())
			if diff := cmp.Diff("serve it in-process: "+c.want, told(t, err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Nothing is read and nothing is sent for a Login alone, and what has no effect is said.
func TestGKELogin(t *testing.T) {
	t.Parallel()
	const gcloud = "gcloud's own login cannot be read here: application default credentials are used in its place"
	for name, c := range map[string]struct {
		s    plugin.Stanza
		env  map[string]string
		want plugin.Login
	}{
		"gcloud": {gkeStanza(), nil, plugin.Login{Notes: []string{gcloud}}},
		"after google-github-actions/auth": {
			gkeStanza(), map[string]string{"CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": "/gha", "GOOGLE_APPLICATION_CREDENTIALS": "/gha"}, plugin.Login{},
		},
		"a given token":                   {gkeStanza(), map[string]string{"CLOUDSDK_AUTH_ACCESS_TOKEN": "a"}, plugin.Login{}},
		"application default credentials": {gkeStanza("--use_application_default_credentials"), nil, plugin.Login{}},
		"impersonation": {
			gkeStanza("--use_application_default_credentials=true", "--impersonate_service_account", deployer), nil,
			plugin.Login{Unusual: "the token of another service account, by --impersonate_service_account"},
		},
		"the environment's impersonation": {
			gkeStanza(), map[string]string{"CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT": deployer, "GOOGLE_APPLICATION_CREDENTIALS": "/gha"}, plugin.Login{},
		},
		"flags and variables without effect": {
			plugin.Stanza{
				Program: "gke-gcloud-auth-plugin", Args: []string{"--use_application_default_credentials", "--cluster=a", "--v=9", "--location=b", "--project=c"},
				Env: map[string]string{"USE_GKE_GCLOUD_AUTH_PLUGIN": "True", "GOOGLE_APPLICATION_CREDENTIALS": "/gha"},
			},
			map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "/gha"},
			plugin.Login{Notes: []string{
				"USE_GKE_GCLOUD_AUTH_PLUGIN in the kubeconfig has no effect here",
				"--project in the kubeconfig has no effect here", "--location in the kubeconfig has no effect here", "--cluster in the kubeconfig has no effect here",
			}},
		},
		"a regional Connect gateway": {
			plugin.Stanza{Program: "gke-gcloud-auth-plugin", Server: &url.URL{Host: "europe-west1-connectgateway.googleapis.com:443"}},
			nil,
			plugin.Login{Servers: []string{"europe-west1-connectgateway.googleapis.com"}, Notes: []string{gcloud}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := cloud.For(c.s, plugin.Runner{Getenv: func(name string) string { return c.env[name] }})
			if err != nil {
				t.Fatal(err)
			}
			c.want.Cloud, c.want.BareIP = "GKE", true
			c.want.Servers = append([]string{".gke.goog", "connectgateway.googleapis.com"}, c.want.Servers...)
			if l.Token == nil {
				t.Error("no way to a token")
			}
			l.Token = nil
			c.want.Secrets = []string{
				"ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
				"CLOUDSDK_AUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
				"GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_GHA_CREDS_PATH",
			}
			if diff := cmp.Diff(c.want, *l); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGKEServers(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"gke-0123-45.europe-west1.gke.goog":                     true,
		"connectgateway.googleapis.com":                         true,
		"europe-west1-connectgateway.googleapis.com":            true,
		"northamerica-northeast1-connectgateway.googleapis.com": true,
		"gke.goog":               false,
		"evil-gke.goog":          false,
		"gke.goog.example.com":   false,
		"storage.googleapis.com": false,
		"connectgateway.googleapis.com.example.com":       false,
		"evil.connectgateway.googleapis.com":              false,
		"evil-connectgateway.googleapis.com":              false,
		"a.europe-west1-connectgateway.googleapis.com":    false,
		"europe-west1-connectgateway.googleapis.com.evil": false,
		"shop.run.app": false,
		"shop.endpoints.made-up-project.cloud.goog": false,
	} {
		s := gkeStanza()
		s.Server = &url.URL{Scheme: "https", Host: host}
		l, err := cloud.For(s, newGoogleWorld(t).runner())
		if err != nil || l.Serves(host) != want {
			t.Errorf("%s: want %t (%v)", host, want, err)
		}
	}
}

func TestGKEKubeconfigsAsTheToolsWriteThem(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../../testdata/kubeconfigs/g*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	served := 0
	for _, file := range files {
		config, err := clientcmd.LoadFromFile(file)
		if err != nil {
			t.Fatal(err)
		}
		context := config.Contexts[config.CurrentContext]
		if context == nil || config.AuthInfos[context.AuthInfo].Exec == nil {
			continue // GitLab's, one with a token, and the auth-provider gcp
		}
		server, err := url.Parse(config.Clusters[context.Cluster].Server)
		if err != nil {
			t.Fatal(err)
		}
		exec := config.AuthInfos[context.AuthInfo].Exec
		s := plugin.Stanza{Server: server, Program: filepath.Base(exec.Command), Args: exec.Args}
		w := newGoogleWorld(t)
		w.Allow(person, deployer)
		w.use("GOOGLE_APPLICATION_CREDENTIALS", string(w.AuthorizedUser(person)))
		want := person
		if strings.Contains(file, "impersonate") {
			want = deployer
		}
		l, err := cloud.For(s, w.runner())
		if err != nil || !l.Serves(server.Hostname()) && net.ParseIP(server.Hostname()) == nil {
			t.Errorf("%s: not served: %v", file, err)
			continue
		}
		if user, _, err := w.login(t, s); err != nil || user != want {
			t.Errorf("%s: %s, %v", file, user, err)
		}
		served++
	}
	if served != 5 {
		t.Errorf("%d kubeconfigs", served)
	}
}

func TestGKETokensThatAreNotGot(t *testing.T) {
	t.Parallel()
	const (
		missing  = "\nsee whether the step that wrote it has run before this one, in this job, and whether this step sees its directory"
		of       = "use the credential file of GOOGLE_APPLICATION_CREDENTIALS: "
		stranger = of + "it sends a token to an address that is not Google's\n" +
			"recreate the file with gcloud or google-github-actions/auth; universes other than googleapis.com are not supported"
		program = of + "its credential_source is `executable`, and kubemint runs no program\n" +
			"use a source `url` or `file`: an earlier step can run the program and write its output to a file"
		noGrant = "get a token of Google: iamcredentials.googleapis.com answers 403 PERMISSION_DENIED: " +
			"Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).\n" +
			"let this identity impersonate the service account: roles/iam.workloadIdentityUser for a job's own identity, " +
			"roles/iam.serviceAccountTokenCreator for another account"
		hints = "\nGitHub: google-github-actions/auth in an earlier step, in a job with `id-token: write`, sets GOOGLE_APPLICATION_CREDENTIALS\n" +
			"GitLab: workload identity federation: GOOGLE_APPLICATION_CREDENTIALS names a credential file, whose source is a file with the job's ID token\n" +
			"or google-github-actions/get-gke-credentials writes a kubeconfig with a token"
		none = "find a credential for Google: there is no CLOUDSDK_AUTH_ACCESS_TOKEN, no CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE, " +
			"no GOOGLE_APPLICATION_CREDENTIALS, no /root/.config/gcloud/application_default_credentials.json, and no metadata server of Google's" + hints
	)
	const executable = `{"executable": {"command": "/bin/sesame", "output_file": "/etc/passwd"}}`
	file := func(content string) func(*testing.T, *googleWorld) {
		return func(_ *testing.T, w *googleWorld) { w.use("GOOGLE_APPLICATION_CREDENTIALS", content) }
	}
	for name, c := range map[string]struct {
		set  func(t *testing.T, w *googleWorld)
		args []string
		want string
	}{
		"nothing": {
			func(_ *testing.T, w *googleWorld) { w.github = nil; w.env["GCE_METADATA_HOST"] = "sts.googleapis.com" }, nil,
			"get a token of Google: the metadata server answers 404 Not Found\nsee whether this machine, or this pod's ServiceAccount, has a service account of Google's",
		},
		"another cloud's metadata server": {
			func(_ *testing.T, w *googleWorld) { w.env["GCE_METADATA_HOST"] = "run.actions.githubusercontent.com" }, nil, none,
		},
		"no metadata server": {
			func(_ *testing.T, w *googleWorld) { w.env["GCE_METADATA_HOST"] = "127.0.0.1:1"; w.client = away() }, nil, none,
		},
		"no home": {
			func(_ *testing.T, w *googleWorld) { delete(w.env, "HOME"); w.client = away() },
			[]string{"--use_application_default_credentials"},
			"find a credential for Google: there is no GOOGLE_APPLICATION_CREDENTIALS, and no metadata server of Google's" + hints,
		},
		"a file that is gone": {
			func(_ *testing.T, w *googleWorld) {
				w.env["GOOGLE_APPLICATION_CREDENTIALS"] = "/sesame"
				w.Machine(deployer)
			}, nil,
			"read the file that GOOGLE_APPLICATION_CREDENTIALS names: no such file or directory" + missing,
		},
		"application default credentials that cannot be read": {
			func(_ *testing.T, w *googleWorld) {
				w.files["/root/.config/gcloud/application_default_credentials.json"] = unreadable
				w.Machine(deployer)
			}, nil, "read gcloud's application_default_credentials.json: permission denied",
		},
		"a token's file that is gone": {
			func(_ *testing.T, w *googleWorld) {
				w.env["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"] = "/sesame"
				w.Machine(deployer)
			}, nil,
			"read the file that CLOUDSDK_AUTH_ACCESS_TOKEN_FILE names: no such file or directory" + missing,
		},
		"two lines for a token": {
			func(_ *testing.T, w *googleWorld) { w.env["CLOUDSDK_AUTH_ACCESS_TOKEN"] = "sesame\nX-Forged: a" }, nil,
			"get a token of Google: the token is not one line of ASCII",
		},
		"a source's file that is gone": {
			file(external(t, source(`{"file": "/sesame"}`))), nil, "read the file that credential_source names: no such file or directory" + missing,
		},
		"a source's file that is not JSON": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				w.files["/token"] = idToken
				w.use("GOOGLE_APPLICATION_CREDENTIALS", external(t, source(`{"file": "/token", "format": {"type": "json"}}`)))
			}, nil, of + "the file that credential_source names does not have the format that it says",
		},
		"a source's file without the field": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				w.files["/token"] = `{"sesame": "` + idToken + `"}`
				w.use("GOOGLE_APPLICATION_CREDENTIALS", external(t, source(`{"file": "/token", "format": {"type": "json", "subject_token_field_name": "a"}}`)))
			}, nil, of + "the file that credential_source names lacks its subject_token_field_name",
		},
		"not JSON": {file("sesame"), nil, of + "it is not a JSON credential file\n" +
			"give the path of the file that google-github-actions/auth or `gcloud auth application-default login` wrote"},
		"no type":                   {file(`{"private_key": "sesame"}`), nil, of + "it has no type"},
		"a type that forges":        {file(`{"type": "sesame\n::add-mask::a"}`), nil, of + "it has no type"},
		"an unknown type":           {file(`{"type": "gdch_service_account"}`), nil, of + "a credential of type gdch_service_account cannot be used, or is not complete"},
		"half an impersonation":     {file(`{"type": "impersonated_service_account"}`), nil, of + "a credential of type impersonated_service_account cannot be used, or is not complete"},
		"an OAuth client":           {file(`{"type": "authorized_user", "installed": {"client_secret": "sesame", "redirect_uris": ["a"]}}`), nil, of + "it is an OAuth client, not a credential"},
		"a program":                 {file(external(t, source(executable))), nil, program},
		"a program and AWS":         {file(external(t, source(strings.Replace(executable, "{", `{"environment_id": "aws1", `, 1)))), nil, program},
		"a program in another case": {file(external(t, source(strings.Replace(executable, "executable", "EXECUTABLE", 1)))), nil, program},
		"a nested program": {
			file(jsonOf(t, map[string]any{
				"type": "impersonated_service_account", "service_account_impersonation_url": asBuilder, "source_credentials": raw(external(t, source(executable))),
			})), nil, program,
		},
		"a stranger for a token":          {file(external(t, map[string]any{"token_url": "https://sesame.example.com/v1/token"})), nil, stranger},
		"a stranger for an assertion":     {file(`{"type": "service_account", "token_uri": "https://oauth2.googleapis.com.example.com/token"}`), nil, stranger},
		"a stranger for an impersonation": {file(external(t, map[string]any{"service_account_impersonation_url": "https://storage.googleapis.com/a"})), nil, stranger},
		"a nested stranger": {
			file(jsonOf(t, map[string]any{
				"type": "impersonated_service_account", "service_account_impersonation_url": asBuilder,
				"source_credentials": raw(external(t, map[string]any{"token_url": "https://sesame@sts.googleapis.com/"})),
			})), nil, stranger,
		},
		"in the clear": {file(external(t, map[string]any{"token_url": "http://sts.googleapis.com/v1/token"})), nil, stranger},
		"another's key": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				key := string(w.ServiceAccountKey(t, deployer))
				w.ServiceAccountKey(t, deployer)
				w.use("GOOGLE_APPLICATION_CREDENTIALS", key)
			}, nil, "get a token of Google: oauth2.googleapis.com answers 400 invalid_grant: Invalid JWT Signature.",
		},
		"a login that was revoked": {
			func(_ *testing.T, w *googleWorld) {
				w.use("GOOGLE_APPLICATION_CREDENTIALS", strings.Replace(string(w.AuthorizedUser(person)), "token-0", "token-1", 1))
			}, nil, "get a token of Google: oauth2.googleapis.com answers 400 invalid_grant: Token has been expired or revoked.",
		},
		"not a key": {
			file(`{"type": "service_account", "client_email": "a", "private_key": "sesame"}`), nil,
			of + "its private_key is not PEM",
		},
		"a job's identity that is not wanted": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				w.files["/token"] = "eyJ.sesame.of-another-job"
				w.use("GOOGLE_APPLICATION_CREDENTIALS", external(t, source(`{"file": "/token"}`)))
			}, nil, "get a token of Google: sts.googleapis.com answers 400 invalid_grant: rejected by the attribute condition",
		},
		"another provider": {
			file(external(t, map[string]any{"audience": audience + "/sesame"})), nil,
			"get a token of Google: sts.googleapis.com answers 400 invalid_target: The target service indicated by the \"audience\" parameters is invalid. " +
				"This might either be because the pool or provider is disabled or deleted or because it doesn't exist.",
		},
		"no ID token": {
			file(strings.Replace(external(t, nil), "sesame-bearer", "sesame", 1)), nil,
			"get a token of Google: run.actions.githubusercontent.com answers 403 Forbidden",
		},
		"an impersonation that is not allowed": {
			file(external(t, map[string]any{"service_account_impersonation_url": asBuilder})), nil, noGrant,
		},
		"an impersonation by the kubeconfig that is not allowed": {
			file(external(t, nil)), []string{"--impersonate_service_account=" + deployer}, noGrant,
		},
		"a chain with a gap": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				w.Allow(principal, builder)
				w.use("GOOGLE_APPLICATION_CREDENTIALS", external(t, nil))
			}, []string{"--impersonate_service_account=" + builder + "," + deployer}, noGrant,
		},
		"a given token that is not good enough to impersonate": {
			func(_ *testing.T, w *googleWorld) { w.env["CLOUDSDK_AUTH_ACCESS_TOKEN"] = "ya29.sesame" },
			[]string{"--impersonate_service_account=" + deployer},
			"get a token of Google: iamcredentials.googleapis.com answers 401 UNAUTHENTICATED: Request had invalid authentication credentials. " +
				"Expected OAuth 2 access token, login cookie or other valid authentication credential.",
		},
		"an answer that repeats the question": {
			func(_ *testing.T, w *googleWorld) {
				w.use("GOOGLE_APPLICATION_CREDENTIALS", string(w.AuthorizedUser(person)))
				w.FailNext(http.StatusBadRequest, `{"error": "invalid_grant", "error_description": "1//made-up-refresh-token-0 and `+idToken+` and\n\n::add-mask::ya29.a-b_c"}`)
			}, nil, "get a token of Google: oauth2.googleapis.com answers 400 invalid_grant: [token] and [token] and ::add-mask::[token]",
		},
		"an answer of something between": {
			func(_ *testing.T, w *googleWorld) {
				w.use("GOOGLE_APPLICATION_CREDENTIALS", string(w.AuthorizedUser(person)))
				for range 3 { // once for each request
					w.FailNext(http.StatusBadGateway, "<html>sesame 1//made-up-refresh-token-0")
				}
			}, nil, "get a token of Google: oauth2.googleapis.com answers 502 Bad Gateway",
		},
		"not a token": {
			func(_ *testing.T, w *googleWorld) {
				w.use("GOOGLE_APPLICATION_CREDENTIALS", string(w.AuthorizedUser(person)))
				w.FailNext(http.StatusOK, `{"id_token": "sesame"}`)
			}, nil, "get a token of Google: oauth2: server response missing access_token",
		},
		"a redirect": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				w.github = func(rw http.ResponseWriter, r *http.Request) {
					http.Redirect(rw, r, "https://sts.googleapis.com/v1/token", http.StatusTemporaryRedirect)
				}
				w.use("GOOGLE_APPLICATION_CREDENTIALS", external(t, nil))
			}, nil, "get a token of Google: ask run.actions.githubusercontent.com: the answer is a redirect (307 Temporary Redirect) to \"https://sts.googleapis.com\", which is not followed",
		},
		"nobody there": {
			func(t *testing.T, w *googleWorld) {
				t.Helper()
				w.client = away()
				w.use("GOOGLE_APPLICATION_CREDENTIALS", external(t, nil))
			}, nil, "get a token of Google: ask run.actions.githubusercontent.com: no route",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newGoogleWorld(t)
			c.set(t, w)
			_, _, err := w.login(t, gkeStanza(c.args...))
			if diff := cmp.Diff(c.want, told(t, err)); diff != "" {
				t.Error(diff)
			}
			for _, asked := range w.asked {
				if strings.Contains(asked, "sesame") || strings.Contains(asked, "example.com") {
					t.Errorf("%s was asked", asked)
				}
			}
		})
	}
}

func TestGKEAsksAgainAfterAPassingFailure(t *testing.T) {
	t.Parallel()
	w := newGoogleWorld(t)
	w.use("GOOGLE_APPLICATION_CREDENTIALS", string(w.ServiceAccountKey(t, deployer)))
	w.FailNext(http.StatusServiceUnavailable, `{"error": "internal_failure"}`)
	w.FailNext(http.StatusTooManyRequests, `{"error": "rate_limit_exceeded"}`)
	if user, _, err := w.login(t, gkeStanza()); err != nil || user != deployer {
		t.Errorf("%s, %v", user, err)
	}
	if diff := cmp.Diff([]string{atOAuth, atOAuth, atOAuth}, w.asked); diff != "" {
		t.Error(diff)
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// away is a network without anybody.
func away() *http.Client {
	return &http.Client{Transport: transportFunc(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") })}
}

// The library would run the program with this variable: GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES.
func TestGKENeverRunsAProgram(t *testing.T) {
	t.Setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
	trace := filepath.Join(t.TempDir(), "trace")
	w := newGoogleWorld(t)
	w.use("GOOGLE_APPLICATION_CREDENTIALS", external(t, source(`{"executable": {"command": "/usr/bin/touch `+trace+`"}}`)))
	_, _, err := w.login(t, gkeStanza())
	if text := told(t, err); !strings.Contains(text, "kubemint runs no program") {
		t.Error(text)
	}
	if _, err := os.Stat(trace); !errors.Is(err, os.ErrNotExist) {
		t.Error("it has run: ", err)
	}
}

// On a network that swallows packets, as many a runner's does for 169.254.169.254, this is the end of five seconds; and
// a run that is stopped does not wait for them.
func TestGKEDoesNotWaitForAMetadataServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		swallow := &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		l, err := cloud.For(gkeStanza(), plugin.Runner{
			Getenv: func(string) string { return "" }, HTTP: swallow,
			ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist },
		})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, _, err = l.Token(t.Context())
		if took := time.Since(start); took != 5*time.Second || !strings.Contains(told(t, err), "find a credential for Google") {
			t.Errorf("after %s: %v", took, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		_, _, err = l.Token(ctx)
		if took := time.Since(start); took != time.Second || told(t, err) != "get a token of Google: context deadline exceeded" {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

// The library's request for a service account's key has no context of its own.
func TestGKEStopsWhenItIsTold(t *testing.T) {
	t.Parallel()
	w := newGoogleWorld(t)
	w.use("GOOGLE_APPLICATION_CREDENTIALS", string(w.ServiceAccountKey(t, deployer)))
	l, err := cloud.For(gkeStanza(), w.runner())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err = l.Token(ctx)
	if got := told(t, err); got != "get a token of Google: ask oauth2.googleapis.com: context canceled" {
		t.Error(got)
	}
}

// The fake is as strict as the tests say: what was issued is known, until it expires.
func TestGKETokensExpireAtTheFake(t *testing.T) {
	t.Parallel()
	g := clouds.NewGoogle()
	short := g.Issue(person, clouds.UserinfoEmail)
	number := g.Issue(person, clouds.CloudPlatform)
	g.Life(-time.Second)
	late := g.Issue(person, clouds.CloudPlatform, clouds.UserinfoEmail)
	for bearer, want := range map[string]string{
		short: "an access token of Google without the scope cloud-platform", late: "an access token of Google that has expired",
		"ya29.a": "not an access token of this Google's", number: "",
	} {
		user, _, err := g.Verify(bearer)
		if got := fmt.Sprint(err); want != "" && got != want || want == "" && user != clouds.GoogleNumber {
			t.Errorf("%s, %v; want %s", user, err, want)
		}
	}
}
