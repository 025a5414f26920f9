package docs

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// newJobReader is a reader of a page that deploys to the namespace shop with an account in the
// namespace kubemint. In this test both have names of their own.
func newJobReader(t *testing.T, page string) (r *harness.Reader, namespace, accounts string) {
	t.Helper()
	cluster, namespace := harness.NewNamespace(t)
	accounts = namespace + "-accounts"
	createNamespace(t, cluster, accounts)
	r = harness.NewReader(t, cluster, page,
		"kubemint/", accounts+"/", "NAMESPACE=shop", "NAMESPACE="+namespace)
	r.LogInAsAdmin(t)
	return r, namespace, accounts
}

func createNamespace(t *testing.T, cluster *kubetest.ControlPlane, name string) {
	t.Helper()
	manifest := fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s}}", name)
	if err := cluster.Apply(t.Context(), manifest); err != nil {
		t.Fatal(err)
	}
}

// writeStandIn writes a program that the page calls and this machine lacks.
func writeStandIn(t *testing.T, r *harness.Reader, name, script string) {
	t.Helper()
	r.WriteFile(t, filepath.Join(r.Tools, name), "#!/bin/sh\nset -eu\n"+script, 0o700)
}

// writeTwoContexts writes the administrator's kubeconfig with the contexts eu and us: both lead to
// the one cluster of this test.
func writeTwoContexts(t *testing.T, r *harness.Reader) {
	t.Helper()
	admin, err := clientcmd.Load(r.Cluster.AdminKubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	current := admin.Contexts[admin.CurrentContext]
	admin.Contexts = map[string]*clientcmdapi.Context{"eu": current, "us": current}
	admin.CurrentContext = ""
	content, err := clientcmd.Write(*admin)
	if err != nil {
		t.Fatal(err)
	}
	home := strings.TrimPrefix(r.Env[0], "HOME=")
	r.WriteFile(t, filepath.Join(home, ".kube", "config"), string(content), 0o600)
}

func TestTask_SeveralClusters(t *testing.T) {
	t.Parallel()
	r, _, accounts := newJobReader(t, "clusters.md")
	writeTwoContexts(t, r)
	r.WriteFile(t, filepath.Join(r.Dir, "manifests", "app.yaml"), appConfig, 0o600)
	r.Typed = r.ReadBlock(t, "sh mint")
	said := r.TypeBlock(t, "sh use")
	harness.AssertSays(t, said, `^configmap/web created$`, `^configmap/web (unchanged|configured)$`)
	if live := harness.CountLeases(t, r.Cluster, accounts); live != 2 {
		t.Errorf("%d leases are live after two mints", live)
	}
	r.Typed = ""
	r.TypeBlock(t, "sh revoke")
	if live := harness.CountLeases(t, r.Cluster, accounts); live != 0 {
		t.Errorf("%d leases remain", live)
	}
}

func TestTask_LongJob(t *testing.T) {
	t.Parallel()
	r, _, accounts := newJobReader(t, "long-job.md")
	script := "#!/bin/sh\nkubectl auth whoami && kubectl get jobs\n"
	r.WriteFile(t, filepath.Join(r.Dir, "nightly.sh"), script, 0o700)
	said := r.TypeBlock(t, "sh exec")
	harness.AssertSays(t, said, `system:serviceaccount:`+accounts+`:nightly`)
	said = r.TypeBlock(t, "sh long")
	harness.AssertSays(t, said,
		`^minted a token for `+accounts+`/nightly \(asked 4h, granted 4h, `)
}

// The agent may read what the page grants, and is not started once it can do what must_not forbids.
func TestTask_Agent(t *testing.T) {
	t.Parallel()
	r, namespace, accounts := newJobReader(t, "agent.md")
	writeStandIn(t, r, "agent", `
kubectl auth whoami
kubectl get pods,configmaps,deployments
! kubectl get secrets
! kubectl delete pod web
`)
	said := r.TypeBlock(t, "sh agent")
	harness.AssertSays(t, said, `system:serviceaccount:`+accounts+`:agent`,
		`secrets is forbidden`, `cannot delete resource "pods"`)
	err := r.Cluster.Apply(t.Context(), fmt.Sprintf(oldBinding, namespace, accounts))
	if err != nil {
		t.Fatal(err)
	}
	said, err = r.RunShell(t, r.ReadBlock(t, "sh agent"))
	started := strings.Contains(said, "Username")
	if err == nil || started || !strings.Contains(said, "what must_not forbids") {
		t.Errorf("the agent was started: %v\n%s", err, said)
	}
}

const oldBinding = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: old, namespace: %s}
subjects: [{kind: ServiceAccount, name: agent, namespace: %s}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
`

// Terraform's providers read KUBE_CONFIG_PATH.
func TestTask_Terraform(t *testing.T) {
	t.Parallel()
	r, _, accounts := newJobReader(t, "terraform.md")
	r.WriteFile(t, filepath.Join(r.Dir, "app.yaml"), appConfig, 0o600)
	writeStandIn(t, r, "terraform", `
kubectl="kubectl --kubeconfig $KUBE_CONFIG_PATH"
$kubectl auth whoami
case $1 in
plan) ! $kubectl create -f app.yaml ;;
apply) $kubectl create -f app.yaml && $kubectl apply -f app.yaml && $kubectl delete -f app.yaml ;;
esac
`)
	account := `system:serviceaccount:` + accounts
	said := r.TypeBlock(t, "sh plan")
	harness.AssertSays(t, said, account+`:shop-plan`, `configmaps is forbidden`)
	said = r.TypeBlock(t, "sh apply")
	harness.AssertSays(t, said, account+`:shop-apply`, `^configmap "web" deleted`)
}

// The account of the runner's pod may mint what the page declares, and no more.
func TestTask_ARC(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	accounts := namespace + "-accounts"
	runners := namespace + "-runners"
	createNamespace(t, cluster, runners)
	r := harness.NewReader(t, cluster, "arc.md",
		"create namespace kubemint", "create namespace "+accounts, "kubemint/", accounts+"/",
		"arc-runners", runners, "NAMESPACE=shop", "NAMESPACE="+namespace)
	r.LogInAsAdmin(t)
	r.TypeBlock(t, "sh rights")
	step := readStep(t, r, namespace)
	mount := harness.MountServiceAccount(t, cluster, runners, "shop-runner")
	whoami := []string{"kubemint", "exec", "--", "kubectl", "auth", "whoami"}
	code, said := runInPod(t, r, step, mount, whoami)
	account := "system:serviceaccount:" + accounts + ":shop-deployer"
	if code != 0 || !strings.Contains(said, account) {
		t.Errorf("exit code %d\n%s", code, said)
	}
	step.Env = append(step.Env, corev1.EnvVar{Name: "KUBEMINT_RULES", Value: "get secrets"})
	code, said = runInPod(t, r, step, mount, whoami)
	if code != 125 || !strings.Contains(said, "secrets") {
		t.Errorf("more than the page grants: exit code %d\n%s", code, said)
	}
}

// readStep returns the variables of the step in the page's workflow.
func readStep(t *testing.T, r *harness.Reader, namespace string) (step corev1.Container) {
	t.Helper()
	var workflow struct {
		Jobs struct {
			Deploy struct {
				Steps []struct{ With map[string]string }
			}
		}
	}
	if err := yaml.Unmarshal([]byte(r.ReadBlock(t, "yaml")), &workflow); err != nil {
		t.Fatal(err)
	}
	for name, value := range workflow.Jobs.Deploy.Steps[0].With {
		if name == "namespace" {
			value = namespace
		}
		variable := corev1.EnvVar{Name: "KUBEMINT_" + strings.ToUpper(name), Value: value}
		step.Env = append(step.Env, variable)
	}
	return step
}
