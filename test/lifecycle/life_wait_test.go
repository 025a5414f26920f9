package lifecycle

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// mintFor prepares a namespace with a minted credential, and gives the client of it.
func mintFor(t *testing.T, cluster *kubetest.ControlPlane, source []byte) (dir string, env []string, client *kubetest.Client) {
	t.Helper()
	namespace, err := cluster.CreateNamespace(t.Context(), "wait-")
	if err != nil {
		t.Fatal(err)
	}
	dir, env = t.TempDir(), []string{"KUBEMINT_NAMESPACE=" + namespace}
	harness.RunAs(t, dir, source, env, 0)
	minted, err := os.ReadFile(filepath.Join(dir, "kubemint.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	if client, err = kubetest.NewClient(minted); err != nil {
		t.Fatal(err)
	}
	return dir, env, client
}

// Where no garbage collector runs, and the runner deletes the Secret itself, the token dies all the same.
func diesWithoutCollector(t *testing.T, cluster *kubetest.ControlPlane) {
	t.Helper()
	dir, env, client := mintFor(t, cluster, cluster.AdminKubeconfig())
	start := time.Now()
	said := harness.RunAs(t, dir, cluster.AdminKubeconfig(), env, 0, "revoke", "--wait")
	if took := time.Since(start); took > harness.DeadWithin {
		t.Errorf("it took %s", took)
	}
	harness.AssertSays(t, said, `^revoked: lease \S+ is deleted`, `^dead: the API server refuses the token, \d+s after its lease was deleted$`)
	if err := client.Do(t.Context(), http.MethodGet, "/apis/authentication.k8s.io/v1", nil, nil); err == nil {
		t.Error("the API server takes the token that revoke calls dead")
	}
	harness.AssertOnlySource(t, dir)
}

// Where the runner may not delete the Secret, and nobody else does, revoke says for how long the token still lives.
func outlivesItsLease(t *testing.T, cluster *kubetest.ControlPlane) {
	t.Helper()
	source := withoutSecrets(t, cluster, "no-secrets")
	dir, env, client := mintFor(t, cluster, source)
	said := harness.RunAs(t, dir, source, env, 7, "revoke", "--wait")
	harness.AssertSays(t, said, `^error: revoke the credential of Lease \S+: Secret \S+, which the token is bound to, is still there after `,
		`^hint: the token lives until 20\d\d-\d\d-\d\dT\S+Z unless you run  kubectl -n \S+ delete secret kubemint-\S+$`)
	harness.AssertSaysNot(t, said, "revoked: ")
	harness.AssertSaysNot(t, said, "dead: ")
	if err := client.Do(t.Context(), http.MethodGet, "/apis/authentication.k8s.io/v1", nil, nil); err != nil {
		t.Errorf("the token is dead after all: %v", err)
	}
	// The receipt stays, so that somebody with the right can try again.
	if _, err := os.Stat(harness.ReceiptIn(dir, "kubemint.kubeconfig")); err != nil {
		t.Error(err)
	}
}

// rightsWithoutSecrets are enough to mint, to revoke and to sweep, but not to delete a Secret.
const rightsWithoutSecrets = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "%[1]s"}
rules:
- {apiGroups: [""], resources: [serviceaccounts], verbs: [get, create, patch]}
- {apiGroups: [""], resources: [serviceaccounts/token, secrets], verbs: [create]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create, delete, list]}
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [kubemint-bare, kubemint-kubemint, kubemint-other], verbs: [get, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "%[1]s"}
subjects: [{kind: User, name: "%[1]s"}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "%[1]s"}
`
