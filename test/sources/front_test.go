package sources

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// A proxy in front of a cluster knows only its own users, and asks the API server as somebody else: a ServiceAccount's token
// means nothing to it. Rancher's and GitLab's proxies answer like this, and tell their clusters apart by the path.
func TestServersThatTakeNoServiceAccountTokens(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster, err := harness.Shared()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const rancher, gitlab = "/k8s/clusters/c-m-0a1b2c3d", "/k8s-proxy"
	for name, c := range map[string]struct {
		path, token, refusal string
		says                 string
	}{
		"Rancher": {
			rancher, "kubeconfig-user-0a1b2:made-up", `{"type":"error","status":"401","message":"must authenticate"}`,
			`^hint: https://127.0.0.1:\d+` + rancher + ` is Rancher's proxy, which takes no ServiceAccount tokens unless it is told to: ` +
				`use the context of an authorized cluster endpoint in the same kubeconfig, or enable JWT Authentication for the cluster in Rancher \(2\.9 and newer\)$`,
		},
		"GitLab's agent": {
			gitlab, "ci:1234:made-up", `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`,
			`^hint: https://127.0.0.1:\d+` + gitlab + ` is the proxy of GitLab's agent, which takes no ServiceAccount tokens unless it is told to: ` +
				"give the API server's own address as `server`$",
		},
		"a gateway": {
			"", "made-up-token-of-a-gateway", "<html>who are you?</html>",
			"^hint: a proxy in front of the cluster may take no ServiceAccount tokens .*: give the API server's direct address as `server`, " +
				"and its `certificate_authority`; the kubeconfig stays the source$",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			namespace, err := cluster.CreateNamespace(t.Context(), "front-")
			if err != nil {
				t.Fatal(err)
			}
			proxy := kubetest.NewProxy(t, cluster, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.Header.Get("Authorization") != "Bearer "+c.token {
					if json.Valid([]byte(c.refusal)) {
						w.Header().Set("Content-Type", "application/json")
					}
					w.WriteHeader(http.StatusUnauthorized)
					_, _ = w.Write([]byte(c.refusal))
					return
				}
				if !strings.HasPrefix(r.URL.Path, c.path+"/") {
					t.Errorf("asked for %s", r.URL.Path)
				}
				r.Header.Set("Authorization", "Bearer "+bearerIn(t, admin))
				http.StripPrefix(c.path, next).ServeHTTP(w, r)
			})
			source := before(t, proxy, admin, c.path, c.token)
			env := []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=list pods"}
			dir := t.TempDir()
			said := harness.RunAs(t, dir, source, env, 5)
			harness.AssertSays(t, said, `^error: prove token: the API server refuses the token that it has just issued \(401 Unauthorized\)$`, c.says)
			if _, err := os.Stat(filepath.Join(dir, "kubemint.kubeconfig")); !os.IsNotExist(err) {
				t.Errorf("a kubeconfig is left: %v", err)
			}
			if left := harness.CountLeases(t, cluster, namespace); left > 0 {
				t.Errorf("%d leases are left", left)
			}

			// The remedy: the same source, and the API server's own address for the result.
			env = append(env, "KUBEMINT_SERVER="+cluster.URL, "KUBEMINT_CERTIFICATE_AUTHORITY="+base64.StdEncoding.EncodeToString(cluster.CA))
			harness.RunAs(t, dir, source, env, 0)
			written, err := clientcmd.LoadFromFile(filepath.Join(dir, "kubemint.kubeconfig"))
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range written.Clusters {
				if c.Server != cluster.URL || string(c.CertificateAuthorityData) != string(cluster.CA) {
					t.Errorf("the written kubeconfig names %s", c.Server)
				}
			}
			harness.RunAs(t, dir, source, env, 0, "revoke", "--wait")
		})
	}
}

func bearerIn(t *testing.T, kubeconfig []byte) string {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return config.BearerToken
}

// before returns a kubeconfig for the proxy in front of the cluster.
func before(t *testing.T, proxy *kubetest.Proxy, kubeconfig []byte, path, token string) []byte {
	t.Helper()
	content, err := proxy.Kubeconfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.Load(content)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range config.Clusters {
		c.Server += path
	}
	for _, u := range config.AuthInfos {
		u.Token = token
	}
	content, err = clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
