//go:build clients

package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// client is a program of others that reads the kubeconfig. The last line that it prints on its own begins
// with the namespace of the context and the ConfigMaps in it.
type client struct {
	name    string
	command []string
	again   bool // with a file as its argument it asks again after a renewal, with its first client and with a new one
}

// askByKubectl prints what the other programs print.
const askByKubectl = `
namespace=$(KUBECTL config view --minify -o jsonpath={..namespace}) || exit
maps=$(KUBECTL get configmaps -o jsonpath={.items[*].metadata.name}) || exit
review=$(KUBECTL create --raw /apis/authentication.k8s.io/v1/selfsubjectreviews -f DIR/review.json) || exit
echo "$namespace $maps $(echo "$review" | grep -o 'JTI=[^"]*')"
`

// clients are the programs, from where make test-clients has put them. Debian's Python has its packages for
// itself alone.
func clients(t *testing.T) []client {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("testdata", "clients"))
	if err != nil {
		t.Fatal(err)
	}
	named := func(variable string) string {
		path := os.Getenv(variable)
		if path == "" {
			t.Fatalf("%s is not set: run make test-clients", variable)
		}
		return path
	}
	inShell := func(kubectl string) []string {
		return []string{"sh", "-c", strings.NewReplacer("KUBECTL", kubectl, "DIR", dir).Replace(askByKubectl)}
	}
	return []client{
		{"kubectl oldest", inShell(named("CLIENT_KUBECTL_OLDEST")), false},
		{"kubectl newest", inShell(named("CLIENT_KUBECTL_NEWEST")), false},
		{"python", []string{named("CLIENT_PYTHON"), filepath.Join(dir, "client.py")}, true},
		{"node", []string{"node", filepath.Join(dir, "client.mjs")}, true},
		{"ruby", []string{"ruby", filepath.Join(dir, "client.rb")}, true},
	}
}

const clientRules = "get,list configmaps"

// Clients verify the CA, send the token and stay in the namespace that the written kubeconfig says, in
// their own words.
func TestClients(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	dir := t.TempDir()
	env := []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=" + clientRules}
	harness.RunAs(t, dir, cluster.AdminKubeconfig(), env, 0)
	path := filepath.Join(dir, "kubemint.kubeconfig")
	foreign := withForeignAuthority(t, path)
	for _, c := range clients(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			said, err := asJob(t, path, c.command...)
			if want := `^` + namespace + ` kube-root-ca\.crt JTI=\S+\n$`; err != nil || !regexp.MustCompile(want).MatchString(said) {
				t.Errorf("%v: it says %q, not %s", err, said, want)
			}
			said, err = asJob(t, foreign, c.command...)
			if strings.Contains(said, "JTI=") || !strings.Contains(strings.ToLower(said), "certificate") {
				t.Errorf("with another CA: %v, and it says %q", err, said)
			}
		})
	}
}

// helm installs a release: Secrets, a ConfigMap, the namespace of the context. The chart needs no more than
// these rules.
func TestClientHelm(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	dir := t.TempDir()
	env := []string{
		"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_SERVICE_ACCOUNT=helm",
		"KUBEMINT_RULES=get,list,create,update,delete secrets; get,create,patch,delete configmaps",
	}
	harness.RunAs(t, dir, cluster.AdminKubeconfig(), env, 0)
	helm, path := os.Getenv("CLIENT_HELM"), filepath.Join(dir, "kubemint.kubeconfig")
	chart, err := filepath.Abs("testdata/clients/chart")
	if err != nil {
		t.Fatal(err)
	}
	said, err := asJob(t, withForeignAuthority(t, path), helm, "install", "probe", chart)
	if err == nil || !strings.Contains(said, "certificate") {
		t.Errorf("with another CA: %v: %s", err, said)
	}
	for _, args := range [][]string{{"install", "probe", chart}, {"upgrade", "probe", chart}, {"status", "probe"}} {
		said, err := asJob(t, path, append([]string{helm}, args...)...)
		if err != nil || !strings.Contains(said, "NAMESPACE: "+namespace) {
			t.Errorf("helm %v: %v: %s", args, err, said)
		}
	}
	get := []string{"-n", namespace, "get", "configmap", "made-by-helm"}
	if _, err := cluster.RunKubectl(t.Context(), cluster.AdminKubeconfig(), "", get...); err != nil {
		t.Error(err)
	}
}

// While exec renews, every client works with what it has read, and one that reads the kubeconfig again has the new token.
// Python, Node and Ruby go on with the token that they read first, as docs/lifecycle.md says.
func TestClientsInExec(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	for _, c := range clients(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := harness.NewJob(t, cluster, false)
			v := l.NewRun(t, strings.ReplaceAll(c.name, " ", "-"), 0, false)
			v.Env = append(v.Env, "KUBEMINT_RULES="+clientRules, "HOME="+t.TempDir())
			script := `exec "$@" "$(dirname "$KUBECONFIG")/token"`
			if !c.again { // its processes are short: one before the renewal, one after it
				script = `"$@"; file=$(dirname "$KUBECONFIG")/token; before=$(cat "$file")
while [ "$(cat "$file")" = "$before" ]; do sleep 0.1; done; "$@"`
			}
			e := v.StartExec(t, append([]string{"sh", "-c", script, "sh"}, c.command...)...)
			e.AwaitEnd(t, 0)
			lines := strings.Split(strings.TrimSpace(e.Stdout.String()), "\n")
			first, last := lines[0], lines[len(lines)-1]
			const answered = " kube-root-ca.crt JTI="
			if last == first || !strings.Contains(first, answered) || !strings.Contains(last, answered) {
				t.Errorf("before the renewal, and with the kubeconfig read after it: %q\n%s", lines, &e.Stderr)
			}
			if c.again && (len(lines) != 3 || lines[1] != first) {
				t.Errorf("it no longer goes on with the token that it read first: mend docs/lifecycle.md: %q", lines)
			}
		})
	}
}

// asJob runs a client as a later step of the job does, and returns all that it says.
func asJob(t *testing.T, kubeconfig string, command ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "KUBECONFIG=" + kubeconfig}
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// withForeignAuthority writes the kubeconfig with the CA of another cluster.
func withForeignAuthority(t *testing.T, path string) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := kubetest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	for _, cluster := range config.Clusters {
		cluster.CertificateAuthorityData = authority.PEM
	}
	foreign := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, foreign); err != nil {
		t.Fatal(err)
	}
	return foreign
}
