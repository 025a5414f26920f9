package docs

import (
	"bytes"
	"net/url"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/test/harness"
)

// Seed 001: the Deployment of the page, with the rights that its first step grants to the pod's account.
func TestTask_Pod(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	accounts := namespace + "-accounts"
	r := harness.NewReader(t, cluster, "pod.md", "create namespace kubemint", "create namespace "+accounts,
		"kubemint/worker", accounts+"/worker", "shop", namespace)
	r.LogInAsAdmin(t)
	r.TypeBlock(t, "sh rights")
	pod := readDeployment(t, r).Spec.Template.Spec
	mount := harness.MountServiceAccount(t, cluster, namespace, pod.ServiceAccountName)
	kubectl := func(args ...string) []string {
		return append([]string{"kubemint", "exec", "--", "kubectl"}, args...)
	}
	for _, run := range []struct {
		command []string
		code    int
		says    string
	}{
		{pod.Containers[0].Command, 0, "No resources found in " + namespace},
		{kubectl("auth", "whoami"), 0, "system:serviceaccount:" + accounts + ":worker"},
		{kubectl("get", "secrets"), 1, "secrets is forbidden"},
		{kubectl("get", "pods"), 0, "note: the command can read " + mount + "/token, the token of the pod's own ServiceAccount"},
	} {
		code, said := runInPod(t, r, pod.Containers[0], mount, run.command)
		if code != run.code || !strings.Contains(said, run.says) {
			t.Errorf("%q: exit code %d\n%s", run.command, code, said)
		}
	}
	if left := harness.CountLeases(t, cluster, accounts); left > 0 {
		t.Errorf("%d leases are left", left)
	}
}

// readDeployment is that of the page, which the API server takes.
func readDeployment(t *testing.T, r *harness.Reader) (deployment appsv1.Deployment) {
	t.Helper()
	manifest := r.ReadBlock(t, "yaml")
	apply := []string{"apply", "--dry-run=server", "-f", "-"}
	said, err := r.Cluster.RunKubectl(t.Context(), r.Cluster.AdminKubeconfig(), manifest, apply...)
	if err != nil || !strings.Contains(said, "deployment.apps/worker created (server dry run)") {
		t.Fatalf("%v: %s", err, said)
	}
	if err := yaml.UnmarshalStrict([]byte(manifest), &deployment); err != nil {
		t.Fatal(err)
	}
	return deployment
}

// runInPod runs a command with a container's variables, and this directory as the mounted ServiceAccount.
func runInPod(t *testing.T, r *harness.Reader, container corev1.Container, mount string, words []string) (int, string) {
	t.Helper()
	server, err := url.Parse(r.Cluster.URL)
	if err != nil {
		t.Fatal(err)
	}
	environ := append([]string{
		"KUBERNETES_SERVICE_HOST=" + server.Hostname(), "KUBERNETES_SERVICE_PORT=" + server.Port(), "TMPDIR=" + t.TempDir(),
	}, r.Env...)
	for _, variable := range container.Env {
		environ = append(environ, variable.Name+"="+variable.Value)
	}
	environ = append(environ, "HOME="+t.TempDir()) // without the administrator's kubeconfig
	var out bytes.Buffer
	code := command.Main(t.Context(), command.Process{
		Args: words, Environ: environ, Dir: t.TempDir(), Streams: command.Streams{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out},
		ForTests: command.ForTests{AccountDir: mount},
	})
	return code, out.String()
}
