package main

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/internal/app"
	"github.com/kubemint/kubemint/internal/kubetest"
)

// Seed 001: the Deployment of the page, with the rights that its first step grants to the pod's account.
func TestTask_Pod(t *testing.T) {
	t.Parallel()
	cluster, namespace := sharedCluster(t)
	accounts := namespace + "-accounts"
	r := newReader(t, cluster, "pod.md", "create namespace kubemint", "create namespace "+accounts,
		"kubemint/worker", accounts+"/worker", "shop", namespace)
	r.isAdmin(t)
	r.types(t, "sh rights")
	pod := r.deployment(t).Spec.Template.Spec
	mount := mountAccount(t, cluster, namespace, pod.ServiceAccountName)
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
		code, said := r.inPod(t, pod.Containers[0], mount, run.command)
		if code != run.code || !strings.Contains(said, run.says) {
			t.Errorf("%q: exit code %d\n%s", run.command, code, said)
		}
	}
	if left := leasesIn(t, cluster, accounts); left > 0 {
		t.Errorf("%d leases are left", left)
	}
}

// deployment is that of the page, which the API server takes.
func (r *reader) deployment(t *testing.T) (deployment appsv1.Deployment) {
	t.Helper()
	manifest := r.block(t, "yaml")
	apply := []string{"apply", "--dry-run=server", "-f", "-"}
	said, err := r.cluster.RunKubectl(t.Context(), r.cluster.AdminKubeconfig(), manifest, apply...)
	if err != nil || !strings.Contains(said, "deployment.apps/worker created (server dry run)") {
		t.Fatalf("%v: %s", err, said)
	}
	if err := yaml.UnmarshalStrict([]byte(manifest), &deployment); err != nil {
		t.Fatal(err)
	}
	return deployment
}

// inPod runs a command with a container's variables, and this directory as the mounted ServiceAccount.
func (r *reader) inPod(t *testing.T, container corev1.Container, mount string, command []string) (int, string) {
	t.Helper()
	server, err := url.Parse(r.cluster.URL)
	if err != nil {
		t.Fatal(err)
	}
	environ := append([]string{
		"KUBERNETES_SERVICE_HOST=" + server.Hostname(), "KUBERNETES_SERVICE_PORT=" + server.Port(), "TMPDIR=" + t.TempDir(),
	}, r.env...)
	for _, variable := range container.Env {
		environ = append(environ, variable.Name+"="+variable.Value)
	}
	environ = append(environ, "HOME="+t.TempDir()) // without the administrator's kubeconfig
	var out bytes.Buffer
	code := app.Main(t.Context(), app.Process{
		Args: command, Environ: environ, Dir: t.TempDir(), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out,
		AccountDir: mount,
	})
	return code, out.String()
}

// mountAccount returns a directory as a pod of that ServiceAccount has it.
func mountAccount(t *testing.T, cluster *kubetest.ControlPlane, namespace, name string) string {
	t.Helper()
	kubeconfig, err := cluster.TokenKubeconfig(t.Context(), namespace, name, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"token": config.BearerToken, "ca.crt": string(cluster.CA), "namespace": namespace,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
