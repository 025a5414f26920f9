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

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/test/harness"
)

// The wish of seed 001: a long-running process in a pod gets access from the token that is mounted there. By hand that was
// `curl -k` with the pod's own token. Here the pod's account may do little but mint, the result is an identity of its own,
// and the CA is checked.
func TestSeed001InCluster(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	if err := cluster.Apply(t.Context(), strings.ReplaceAll(podRights, "NAMESPACE", namespace)); err != nil {
		t.Fatal(err)
	}
	mounted, err := cluster.TokenKubeconfig(t.Context(), namespace, "pod", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(mounted)
	if err != nil {
		t.Fatal(err)
	}
	server, err := url.Parse(cluster.URL)
	if err != nil {
		t.Fatal(err)
	}
	mount := func(ca []byte) string {
		dir := t.TempDir()
		for name, content := range map[string][]byte{"token": []byte(config.BearerToken), "ca.crt": ca, "namespace": []byte(namespace)} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	output := filepath.Join(t.TempDir(), "kubeconfig")
	run := func(accountDir string, args ...string) (int, string) {
		var stderr bytes.Buffer
		code := command.Main(t.Context(), command.Process{
			Args: append([]string{"kubemint"}, args...), Dir: t.TempDir(), Streams: command.Streams{Stdout: &stderr, Stderr: &stderr}, ForTests: command.ForTests{AccountDir: accountDir},
			Environ: []string{
				"KUBERNETES_SERVICE_HOST=" + server.Hostname(), "KUBERNETES_SERVICE_PORT=" + server.Port(),
				"KUBEMINT_RULES=list pods", "KUBEMINT_SERVICE_ACCOUNT=worker", "KUBEMINT_OUTPUT=" + output,
			},
		})
		return code, stderr.String()
	}

	if code, said := run(mount(harness.OtherCA(t))); code != 3 || !strings.Contains(said, "is not signed by the kubeconfig's CA") {
		t.Errorf("with another cluster's CA: exit code %d\n%s", code, said)
	}
	code, said := run(mount(cluster.CA))
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	written, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	who, err := cluster.RunKubectl(t.Context(), written, "", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
	if want := "system:serviceaccount:" + namespace + ":worker"; err != nil || who != want {
		t.Errorf("got %q (%v), want %q", who, err, want)
	}
	if _, err := cluster.RunKubectl(t.Context(), written, "", "get", "pods"); err != nil { // in the pod's namespace
		t.Error(err)
	}
	if _, err := cluster.RunKubectl(t.Context(), written, "", "get", "leases"); err == nil || !strings.Contains(err.Error(), "(Forbidden)") {
		t.Errorf("the result may do what the pod's own account may: %v", err)
	}
	if code, said := run(mount(cluster.CA), "revoke"); code != 0 || !strings.Contains(said, "revoked: lease "+namespace+"/") {
		t.Errorf("revoke: exit code %d\n%s", code, said)
	}
}

const podRights = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: pod, namespace: NAMESPACE}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: pod, namespace: NAMESPACE}
rules:
- {apiGroups: [""], resources: [serviceaccounts], verbs: [get, create, patch]}
- {apiGroups: [""], resources: [serviceaccounts/token, secrets], verbs: [create]}
- {apiGroups: [rbac.authorization.k8s.io], resources: [roles, rolebindings], verbs: [get, list, create, patch]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, list, create, patch, delete]}
- {apiGroups: [""], resources: [pods], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: pod, namespace: NAMESPACE}
subjects: [{kind: ServiceAccount, name: pod, namespace: NAMESPACE}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: pod}
`
