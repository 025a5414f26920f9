package kubeconfig_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/secret"
)

// jwt returns a token with claims and a made-up signature.
func jwt(claims string) string {
	return "header." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".signature"
}

var canary = jwt(`{"jti":"0f1e2d3c"}`)

func TestRender(t *testing.T) {
	t.Parallel()
	// Not a certificate: that is for the source to judge, and for client-go when it connects.
	ca := []byte("-----BEGIN CERTIFICATE-----\nbase64\n-----END CERTIFICATE-----\n")
	base := kubeconfig.Config{Name: "ci@prod", Namespace: "shop", Cluster: kubeconfig.Cluster{Server: "https://10.0.0.1:6443"}, Token: secret.New(canary)}
	for name, change := range map[string]func(c *kubeconfig.Config){
		"ca":          func(c *kubeconfig.Config) { c.CAData = ca },
		"systemroots": func(*kubeconfig.Config) {},
		"insecure":    func(c *kubeconfig.Config) { c.CAData, c.Insecure = ca, true },
		"proxy":       func(c *kubeconfig.Config) { c.CAData, c.ProxyURL = ca, "socks5://proxy.example:1080" },
		"servername":  func(c *kubeconfig.Config) { c.CAData, c.TLSServerName = ca, "kubernetes.default" },
		"quoting": func(c *kubeconfig.Config) {
			c.Name, c.Namespace = "arn:aws:eks:eu-1:1:cluster/x # 'y' \"z\": {}", "2026"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := base
			change(&want)
			data, err := kubeconfig.Render(want)
			if err != nil {
				t.Fatal(err)
			}
			golden, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(golden), string(data)); diff != "" {
				t.Error(diff)
			}

			// client-go reads back what was asked for.
			if want.Insecure {
				want.CAData = nil
			}
			if diff := cmp.Diff(want, load(t, data), cmp.Comparer(func(a, b secret.Value) bool { return a.Reveal() == b.Reveal() })); diff != "" {
				t.Error(diff)
			}
			if written, err := kubeconfig.Read(data); err != nil || written.Token.Hash() != want.Token.Hash() || written.Server != want.Server {
				t.Errorf("another token, or none: %v", err)
			}
		})
	}
}

// load reads a kubeconfig as kubectl does.
func load(t *testing.T, data []byte) kubeconfig.Config {
	t.Helper()
	file, err := clientcmd.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := clientcmd.ConfirmUsable(*file, ""); err != nil {
		t.Error(err)
	}
	loaded := clientcmd.NewDefaultClientConfig(*file, nil)
	config, err := loaded.ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	namespace, _, err := loaded.Namespace()
	if err != nil {
		t.Fatal(err)
	}
	return kubeconfig.Config{
		Name: file.CurrentContext, Namespace: namespace, Cluster: kubeconfig.Cluster{
			Server: config.Host, CAData: config.CAData, TLSServerName: config.ServerName,
			ProxyURL: file.Clusters[file.CurrentContext].ProxyURL, Insecure: config.Insecure,
		}, Token: secret.New(config.BearerToken),
	}
}

func TestRead_RefusesForeignWithoutEcho(t *testing.T) {
	t.Parallel()
	user := func(fields string) string {
		return "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: x}}]\nusers:\n- name: canary\n  user: {" + fields + "}\n"
	}
	for name, data := range map[string]string{
		"nothing":               "",
		"not YAML":              "canary: [",
		"another document":      "canary: 1",
		"a list":                "- canary",
		"no user":               "apiVersion: v1\nkind: Config\n",
		"a user without token":  user("client-key-data: Y2FuYXJ5"),
		"two users":             user("token: "+jwt(`{"jti":"canary"}`)) + "- name: other\n  user: {}\n",
		"users of another type": "users: canary",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			written, err := kubeconfig.Read([]byte(data))
			if err == nil || !written.Token.IsEmpty() {
				t.Fatal("taken for ours")
			}
			if got, want := err.Error(), "not a kubeconfig that kubemint wrote"; got != want || strings.Contains(got, "canary") {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func BenchmarkRender(b *testing.B) {
	config := kubeconfig.Config{
		Name: "ci@prod", Namespace: "shop", Cluster: kubeconfig.Cluster{Server: "https://10.0.0.1:6443", CAData: []byte(strings.Repeat("x", 1500))}, Token: secret.New(canary),
	}
	for b.Loop() {
		if _, err := kubeconfig.Render(config); err != nil {
			b.Fatal(err)
		}
	}
}
