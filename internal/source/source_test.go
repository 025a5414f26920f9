package source

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/certs"
	"github.com/kubemint/kubemint/internal/source/form"
)

const kubeconfigs = "../../testdata/kubeconfigs/"

// env is an environment without the variables that are not named.
func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// everything is all of an error that a person gets to see.
func everything(err error) string {
	if failed, ok := errors.AsType[*problem.Error](err); ok {
		return strings.Join(append([]string{failed.Error()}, failed.Hints...), "\n")
	}
	return err.Error()
}

// failure is the same of an error of a source: of its exit code, and with at least one hint.
func failure(t *testing.T, err error) string {
	t.Helper()
	var failed *problem.Error
	if !errors.As(err, &failed) {
		t.Fatalf("got error %v, want one of the room problem", err)
	}
	if failed.Code != problem.Source {
		t.Errorf("exit code %d, want %d", failed.Code, problem.Source)
	}
	if len(failed.Hints) == 0 {
		t.Errorf("no hint says what to do about: %s", failed.Error())
	}
	return strings.Join(append([]string{failed.Error()}, failed.Hints...), "\n")
}

// refusedAs compares an error with its first line, or where there are more with all that a person gets to see.
func refusedAs(t *testing.T, want string, err error) string {
	t.Helper()
	got := failure(t, err)
	if !strings.Contains(want, "\n") {
		got, _, _ = strings.Cut(got, "\n")
	}
	return cmp.Diff(want, got)
}

// fingerprint is that of a bundle's certificates.
func fingerprint(t *testing.T, pem []byte) string {
	t.Helper()
	bundle, err := certs.Read(pem)
	if err != nil {
		t.Fatal(err)
	}
	return bundle.Fingerprint()
}

func load(t *testing.T, in Input) *Source {
	t.Helper()
	if in.Getenv == nil {
		in.Getenv = env()
	}
	s, err := Load(in)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return s
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// summary holds what a test compares of a Source: the credential by its kinds, the CA by its presence.
type summary struct {
	Server, Namespace, Cluster, Context, User, Bearer string
	CA, Certificate                                   bool
}

func summarize(s *Source) summary {
	return summary{s.Server, s.Namespace, s.Cluster, s.Context, s.User, s.REST.BearerToken, len(s.CAData) > 0, len(s.REST.CertData) > 0}
}

func TestKubeconfigsThatToolsWrite(t *testing.T) {
	const aks, gke = "https://shop-dns-0a1b2c3d.hcp.westeurope.azmk8s.io:443", "gke_made-up-project_europe-west1_shop"
	for _, c := range []struct {
		file, context string
		want          summary
	}{
		{"get-gke-credentials", "", summary{"https://203.0.113.10", "", "shop", gke, "shop", "ya29.made-up-access-token-of-nobody", true, false}},
		{"aks-admin", "", summary{aks, "", "shop", "shop-admin", "clusterAdmin_shop-rg_shop", "made-up-static-token-of-a-local-account", true, true}},
		{"k3s", "", summary{"https://127.0.0.1:6443", "", "default", "default", "default", "", true, true}},
		{"kind", "", summary{"https://127.0.0.1:36443", "", "kind-shop", "kind-shop", "kind-shop", "", true, true}},
		{"openshift", "", summary{
			"https://api.shop.example.com:6443", "shop", "api-shop-example-com:6443",
			"shop/api-shop-example-com:6443/deployer", "deployer/api-shop-example-com:6443", "sha256~made-up-token-of-nobody", false, false,
		}},
		{"rancher", "", summary{
			"https://rancher.example.com/k8s/clusters/c-m-0a1b2c3d", "", "shop", "shop", "shop",
			"kubeconfig-user-0a1b2:made-up-token-of-nobody", true, false,
		}},
		{"rancher", "shop-node-1", summary{
			"https://192.0.2.11:6443", "", "shop-node-1", "shop-node-1", "shop",
			"kubeconfig-user-0a1b2:made-up-token-of-nobody", true, false,
		}},
		{"gitlab-agent", "acme/deploy:staging", summary{
			"https://kas.gitlab.com/k8s-proxy/", "", "gitlab", "acme/deploy:staging",
			"agent:1234", "ci:1234:made-up-job-token", false, false,
		}},
	} {
		t.Run(c.file+" "+c.context, func(t *testing.T) {
			path, err := filepath.Abs(kubeconfigs + c.file + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			s := load(t, Input{Given: Given{Kubeconfig: kubeconfigs + c.file + ".yaml", Context: c.context}})
			if diff := cmp.Diff(c.want, summarize(s)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(receipt.Source{Kind: receipt.KindFile, Paths: []string{path}, Context: c.want.Context}, s.Origin); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{path}, s.Files); diff != "" {
				t.Error(diff)
			}
			if len(s.Warnings) > 0 || s.REST.QPS != -1 || s.REST.Timeout != 0 {
				t.Errorf("warnings %q, QPS %v, timeout %v", s.Warnings, s.REST.QPS, s.REST.Timeout)
			}
			if diff := cmp.Diff(string(s.CAData), string(s.REST.CAData)); diff != "" {
				t.Error(diff)
			}
			// What kubectl would have used: nothing was lost between the file and the REST configuration.
			theirs, err := clientcmd.LoadFromFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, err := clientcmd.NewNonInteractiveClientConfig(*theirs, c.want.Context, nil, nil).ClientConfig()
			if err != nil {
				t.Fatal(err)
			}
			want.QPS = -1
			if diff := cmp.Diff(want, s.REST); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMinikubesFilesAreReadWhereTheContainerSeesThem(t *testing.T) {
	home := t.TempDir()
	kind, err := clientcmd.LoadFromFile(kubeconfigs + "kind.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ca, user := kind.Clusters["kind-shop"].CertificateAuthorityData, kind.AuthInfos["kind-shop"]
	files := []string{
		write(t, home+"/.kube/config", read(t, kubeconfigs+"minikube.yaml")),
		write(t, home+"/.minikube/ca.crt", string(ca)+string(user.ClientKeyData)), // the key must not be published
		write(t, home+"/.minikube/profiles/minikube/client.crt", string(user.ClientCertificateData)),
		write(t, home+"/.minikube/profiles/minikube/client.key", string(user.ClientKeyData)),
	}
	s := load(t, Input{
		Host: Host{Getenv: env("HOME", home), Inside: func(path string) string { return strings.Replace(path, "/home/runner/", home+"/", 1) }},
	})
	if diff := cmp.Diff(files, s.Files); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(string(ca), string(s.CAData)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{string(user.ClientCertificateData), string(user.ClientKeyData), s.REST.CertFile, s.REST.KeyFile, s.REST.CAFile},
		[]string{string(s.REST.CertData), string(s.REST.KeyData), "", "", ""}); diff != "" {
		t.Error(diff)
	}
	if s.Namespace != "default" {
		t.Errorf("namespace %q", s.Namespace)
	}
}

func TestContentInEveryWrapping(t *testing.T) {
	text := read(t, kubeconfigs+"rancher.yaml") + "# ??? ~~~ >>>\n" // base64 turns it into both / and +
	json, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	crlf := strings.ReplaceAll(text, "\n", "\r\n")
	code := base64.StdEncoding.EncodeToString([]byte(text + " ")) // a length that needs padding
	if !strings.HasSuffix(code, "=") {
		code = base64.StdEncoding.EncodeToString([]byte(text + "  "))
	}
	var lines strings.Builder
	for i := 0; i < len(code); i += 76 {
		lines.WriteString(code[i:min(i+76, len(code))] + "\r\n")
	}
	for name, value := range map[string]string{
		"yaml":                           text,
		"yaml, CR LF":                    crlf,
		"yaml, byte order mark":          "\ufeff" + text,
		"json, byte order mark":          "\ufeff" + string(json),
		"json":                           string(json),
		"base64":                         code,
		"base64, line break at the end":  code + "\n",
		"base64, lines of CR LF":         lines.String(),
		"base64, indented":               "  " + strings.ReplaceAll(lines.String(), "\r\n", "\n  "),
		"base64, no padding":             strings.TrimRight(code, "="),
		"base64, url-safe":               base64.URLEncoding.EncodeToString([]byte(text)),
		"base64 of CR LF":                base64.StdEncoding.EncodeToString([]byte(crlf)),
		"base64 of json":                 base64.StdEncoding.EncodeToString(json),
		"base64 of a byte order mark":    base64.StdEncoding.EncodeToString([]byte("\ufeff" + text)),
		"base64 after a byte order mark": "\ufeff" + code,
		"base64 between white space":     "\n\t " + code + " \r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := load(t, Input{Given: Given{Kubeconfig: value, Context: "shop-node-1"}})
			if s.Server != "https://192.0.2.11:6443" || s.REST.BearerToken != "kubeconfig-user-0a1b2:made-up-token-of-nobody" {
				t.Errorf("got server %q and token %q", s.Server, s.REST.BearerToken)
			}
			if diff := cmp.Diff(receipt.Source{Kind: receipt.KindContent, Context: "shop-node-1"}, s.Origin); diff != "" || len(s.Files) > 0 {
				t.Errorf("files %q, origin %s", s.Files, diff)
			}
		})
	}
}

func TestPathsAreNotTakenForBase64(t *testing.T) {
	for _, path := range []string{
		"kubeconfig", "/kubeconfig", "config", "k3s", "admin", "prod", "kube/config", "/tmp/kubeconfig", "/root/kube/config", "/github/home/kubeconfig",
		"/home/runner/work/_temp/kubeconfig_1700000000000", "~/.kube/config", "/etc/rancher/k3s/k3s.yaml", `C:\Users\ci\.kube\config`, "gha-kubeconfig-0a1b2c",
	} {
		if form.IsContent(path) {
			t.Errorf("%s was taken for content", path)
		}
	}
	if form.IsContent(b64([]byte("\x00\n: {"))) {
		t.Error("control characters were taken for a kubeconfig")
	}
}

func TestOrderOfPlaces(t *testing.T) {
	home, other, account := t.TempDir(), t.TempDir(), t.TempDir()
	for dir, name := range map[string]string{home + "/.kube": "k3s", other: "kind"} {
		write(t, dir+"/config", read(t, kubeconfigs+name+".yaml"))
	}
	blank := t.TempDir()
	write(t, blank+"/.kube/config", "apiVersion: v1\nkind: Config\n")
	write(t, account+"/token", "pod-token")
	pod := []string{"KUBERNETES_SERVICE_HOST", "10.0.0.1", "KUBERNETES_SERVICE_PORT", "443"}
	for name, c := range map[string]struct {
		in   Input
		want string
	}{
		"the input before all":          {Input{Given: Given{Kubeconfig: kubeconfigs + "openshift.yaml"}, Host: Host{Getenv: env("KUBECONFIG", other+"/config", "HOME", home)}}, "https://api.shop.example.com:6443"},
		"a home in the input":           {Input{Given: Given{Kubeconfig: "~/.kube/config"}, Host: Host{Getenv: env("HOME", home)}}, "https://127.0.0.1:6443"},
		"a line break after the path":   {Input{Given: Given{Kubeconfig: other + "/config\n"}, Host: Host{Getenv: env()}}, "https://127.0.0.1:36443"},
		"$KUBECONFIG before home":       {Input{Host: Host{Getenv: env(append(pod, "KUBECONFIG", other+"/config", "HOME", home)...)}}, "https://127.0.0.1:36443"},
		"home before the pod's account": {Input{Host: Host{Getenv: env(append(pod, "HOME", home)...)}}, "https://127.0.0.1:6443"},
		"the pod's account":             {Input{Host: Host{Getenv: env(append(pod, "HOME", other)...)}}, "https://10.0.0.1:443"},
		"a home that says nothing":      {Input{Host: Host{Getenv: env(append(pod, "HOME", blank)...)}}, "https://10.0.0.1:443"},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.InClusterDir = account
			if s := load(t, c.in); s.Server != c.want {
				t.Errorf("got %s, want %s", s.Server, c.want)
			}
		})
	}
}

// flatten is the remedy for a file that a kubeconfig may not name.
const flatten = "embed the file: `kubectl config view --raw --flatten`"

// refreshIt is the remedy for an ID token that kubectl would refresh.
const refreshIt = "run any kubectl command with this kubeconfig in an earlier step: it refreshes the " +
	"id-token, and writes it into the file"
