package source

import (
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// jwt is a token with these claims, signed by nobody.
func jwt(claims string) string {
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".x"
}

func TestPluginsAreRefusedWithAWayOut(t *testing.T) {
	const more = "\na token in the kubeconfig takes precedence: `kubectl config set-credentials USER --token=…`"
	for file, want := range map[string]string{
		"rancher-cli": "shop rancher Rancher, in an earlier step, outside the checkout: `curl --fail -u \"$RANCHER_ACCESS_KEY:",
		"doctl":       "do-fra1-shop-admin doctl DigitalOcean, in an earlier step, outside the checkout: `doctl kubernetes cluster kubeconfig show NAME",
		"oci":         "user-cabcdefg oci Oracle Cloud (OKE), in an earlier step: `kubectl config set-credentials USER --token=\"$(oci ce cluster generate-token",
		"tsh":         "teleport.example.com-shop tsh Teleport: its proxy may refuse",
		"oidc-login":  "oidc kubectl OIDC (kubelogin): such a login needs a person",
	} {
		t.Run(file, func(t *testing.T) {
			_, err := Load(Input{Given: Given{Kubeconfig: kubeconfigs + file + ".yaml"}, Host: Host{Getenv: env()}})
			got := failure(t, err)
			user, rest, _ := strings.Cut(want, " ")
			program, way, _ := strings.Cut(rest, " ")
			start := "use user \"" + user + "\": its credential comes from " + program + ", and kubemint never runs what a kubeconfig names\n" + way
			if !strings.HasPrefix(got, start) || !strings.HasSuffix(got, more) {
				t.Errorf("got  %s\nwant %s…%s", got, start, more)
			}
			if strings.Contains(got, "made-up-client-secret") || strings.Contains(got, "made-up-refresh-token") {
				t.Error("a secret is in the error")
			}
		})
	}
}

func TestNamesOfPrograms(t *testing.T) {
	for command, want := range map[string]string{
		"/usr/local/bin/doctl":            "doctl",
		`C:\Program Files\oci\oci.exe`:    "oci",
		"../own-plugin":                   "own-plugin",
		"curl -H 'Authorization: sesame'": "a program",
		"":                                "a program",
		"/bin/" + strings.Repeat("x", 65): "a program",
		"doctl\n::add-mask::x":            "a program",
	} {
		_, err := Load(Input{Given: Given{Kubeconfig: kubeconfig("", "exec: {apiVersion: v1, command: "+strconv.Quote(command)+"}")}, Host: Host{Getenv: env()}})
		got, _, _ := strings.Cut(failure(t, err), "\n")
		if diff := cmp.Diff("use user \"x\": its credential comes from "+want+", and kubemint never runs what a kubeconfig names", got); diff != "" {
			t.Errorf("%q: %s", command, diff)
		}
	}
}

// The canary is a program that leaves a trace. With a credential next to it the source works, and still it is not run.
func TestNothingIsExecuted(t *testing.T) {
	dir := t.TempDir()
	trace, canary := dir+"/trace", write(t, dir+"/canary", "#!/bin/sh\ntouch "+dir+"/trace\necho '{}'\n")
	if err := os.Chmod(canary, 0o700); err != nil {
		t.Fatal(err)
	}
	var seen []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization")+r.Header.Get("Impersonate-User"))
	}))
	defer server.Close()
	ca := b64(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	cluster := "server: '" + server.URL + "', certificate-authority-data: " + ca
	tokenFile := write(t, dir+"/token", "from-file\n")
	for name, c := range map[string]struct{ user, want string }{
		"alone":            {"", ""},
		"with a token":     {"token: sesame, ", "Bearer sesame"},
		"with a tokenFile": {"tokenFile: " + tokenFile + ", ", "Bearer from-file"},
		"token, tokenFile": {"token: sesame, tokenFile: " + tokenFile + ", ", "Bearer from-file"},
		"with a password":  {"username: u, password: sesame, ", "Basic " + b64([]byte("u:sesame"))},
		"impersonation":    {"token: sesame, as: root, ", "Bearer sesameroot"},
	} {
		for _, plugin := range []string{"exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: " + canary + "}", "auth-provider: {name: gcp, config: {cmd-path: " + canary + "}}"} {
			t.Run(name+" "+plugin[:4], func(t *testing.T) {
				seen = nil
				s, err := Load(Input{Given: Given{Kubeconfig: write(t, dir+"/kubeconfig", kubeconfig(cluster, c.user+plugin))}, Host: Host{Workspace: []string{dir + "/work"}, Getenv: env()}})
				if c.want == "" {
					if got := failure(t, err); !strings.Contains(got, "never runs") && !strings.Contains(got, "gcp no longer exists") {
						t.Error(got)
					}
				} else {
					if err != nil {
						t.Fatal(err)
					}
					ask(t, s)
					if diff := cmp.Diff([]string{c.want}, seen); diff != "" {
						t.Error(diff)
					}
				}
				if _, err := os.Stat(trace); err == nil {
					t.Fatal("the program was run")
				}
			})
		}
	}
}

// ask sends one request with the credential of s.
func ask(t *testing.T, s *Source) {
	t.Helper()
	if s.REST.ExecProvider != nil || s.REST.AuthProvider != nil {
		t.Error("client-go got the plugin")
	}
	client, err := rest.HTTPClientFor(s.REST)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Get(s.Server)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}

func TestLoad_RemovedAuthProvider(t *testing.T) {
	t.Parallel()
	for fixture, hint := range map[string]string{
		"gcloud-auth-provider":              "`gcloud container clusters get-credentials NAME --location PLACE`",
		"get-gke-credentials-auth-provider": "leave `use_auth_provider` out",
		"get-gke-credentials-dns":           "leave `use_auth_provider` out",
		"get-gke-credentials-gateway":       "leave `use_auth_provider` out",
		"aks-azure-auth-provider":           "`kubelogin convert-kubeconfig -l workloadidentity`",
	} {
		_, err := Load(Input{Given: Given{Kubeconfig: kubeconfigs + fixture + ".yaml"}, Host: Host{Getenv: env()}})
		got := failure(t, err)
		if !strings.Contains(got, "no longer exists: Kubernetes removed it in 1.26") || !strings.Contains(got, hint) {
			t.Errorf("%s: %s", fixture, got)
		}
	}
}
