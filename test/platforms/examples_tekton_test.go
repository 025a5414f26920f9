package platforms

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/test/harness"
)

// tektonTask holds what this test reads of a Task.
type tektonTask struct {
	Spec struct {
		Params []struct{ Name, Default string }
		Steps  []struct {
			Env           []struct{ Name, Value string }
			Command, Args []string
		}
	}
}

// The example's own command line and environment, run as the pod of a TaskRun would run them: the source is the mounted
// ServiceAccount, with the rights that the example says it needs.
func TestTektonTaskRuns(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	manifests := t.TempDir()
	step, resolve := tektonStep(t, map[string]string{
		"params.image": "unused", "params.namespace": namespace, "workspaces.manifests.path": manifests,
	})
	for name, content := range map[string]string{"config.yaml": configMap, "foreign.yaml": secretManifest} {
		if err := os.WriteFile(filepath.Join(manifests, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server, err := url.Parse(cluster.URL)
	if err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"PATH=" + filepath.Dir(cluster.Kubectl()), "HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(),
		"KUBERNETES_SERVICE_HOST=" + server.Hostname(), "KUBERNETES_SERVICE_PORT=" + server.Port(),
	}
	for _, variable := range step.Env {
		environ = append(environ, variable.Name+"="+resolve(variable.Value))
	}
	args := append([]string{}, step.Command...)
	for _, arg := range step.Args {
		args = append(args, resolve(arg))
	}
	run := func(accountDir string, args []string) (code int, stdout, stderr string) {
		var out, said bytes.Buffer
		code = command.Main(t.Context(), command.Process{
			Args: args, Environ: environ, Dir: t.TempDir(), Streams: command.Streams{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &said}, ForTests: command.ForTests{AccountDir: accountDir},
		})
		return code, out.String(), said.String()
	}

	// The rights that `kubemint bootstrap` prints, given to the ServiceAccount of the TaskRun.
	code, rights, said := run("", []string{"kubemint", "bootstrap", "--subject", "serviceaccount:" + namespace + "/runner"})
	if code != 0 {
		t.Fatalf("bootstrap: exit code %d\n%s", code, said)
	}
	account := "apiVersion: v1\nkind: Namespace\nmetadata: {name: kubemint}\n---\n" +
		"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: runner, namespace: " + namespace + "}\n---\n"
	if err := cluster.Apply(t.Context(), account+rights); err != nil {
		t.Fatal(err)
	}
	mounted, err := cluster.TokenKubeconfig(t.Context(), namespace, "runner", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(mounted)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{"token": config.BearerToken, "ca.crt": string(cluster.CA), "namespace": namespace} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	// The step ends as kubectl does, which may make the ConfigMap and not the Secret, whatever the pod's own account may.
	code, stdout, said := run(dir, args)
	if code != 1 || !strings.Contains(stdout, "configmap/shop created") || strings.Contains(stdout, "secret/") {
		t.Errorf("exit code %d\n%s\n%s", code, stdout, said)
	}
	if want := `system:serviceaccount:kubemint:deployer" cannot get resource "secrets"`; !strings.Contains(said, want) {
		t.Errorf("kubectl did not say %q:\n%s", want, said)
	}
	// It could also read the pod's own token, as any program in the container can.
	if want := "note: the command can read " + filepath.Join(dir, "token") + ", the token of the pod's own ServiceAccount: "; !strings.Contains(said, want) {
		t.Errorf("kubemint did not say %q:\n%s", want, said)
	}
	leases, err := cluster.RunKubectl(t.Context(), cluster.AdminKubeconfig(), "", "-n", "kubemint", "get", "leases",
		"-l", "kubemint/service-account=kubemint.deployer", "-o", "name")
	if err != nil || strings.TrimSpace(leases) != "lease.coordination.k8s.io/kubemint-deployer" { // the lock
		t.Errorf("leases are left: %s (%v)", leases, err)
	}
}

// tektonStep reads the example, and returns its one step and Tekton's substitution of $(…): a parameter that has no default and
// is not given, or one that is misspelt, is a fault.
func tektonStep(t *testing.T, given map[string]string) (step struct {
	Env           []struct{ Name, Value string }
	Command, Args []string
}, resolve func(string) string,
) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("examples", "tekton", "task.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var task tektonTask
	if err := yaml.Unmarshal(content, &task); err != nil {
		t.Fatal(err)
	}
	if len(task.Spec.Steps) != 1 {
		t.Fatalf("%d steps", len(task.Spec.Steps))
	}
	var pairs []string
	for name, value := range given {
		pairs = append(pairs, "$("+name+")", value)
	}
	for _, parameter := range task.Spec.Params {
		if _, ok := given["params."+parameter.Name]; !ok && parameter.Default != "" {
			pairs = append(pairs, "$(params."+parameter.Name+")", parameter.Default)
		}
	}
	return task.Spec.Steps[0], func(text string) string {
		text = strings.NewReplacer(pairs...).Replace(text)
		if strings.Contains(text, "$(") {
			t.Fatalf("not substituted: %s", text)
		}
		return text
	}
}

const (
	configMap      = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\ndata: {price: \"1\"}\n"
	secretManifest = "apiVersion: v1\nkind: Secret\nmetadata: {name: shop}\nstringData: {price: \"1\"}\n"
)
