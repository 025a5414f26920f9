package lifecycle

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// withoutSecrets is a user with enough rights to mint, to revoke and to sweep, but not to read or delete a Secret.
func withoutSecrets(t *testing.T, cluster *kubetest.ControlPlane, user string) []byte {
	t.Helper()
	source, err := cluster.ClientKubeconfig(user)
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Apply(t.Context(), fmt.Sprintf(rightsWithoutSecrets, user)); err != nil {
		t.Fatal(err)
	}
	return source
}

// secretsIn are the names of a namespace's Secrets.
func secretsIn(t *testing.T, cluster *kubetest.ControlPlane, namespace string) (names []string) {
	t.Helper()
	var list struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	if err := cluster.Admin.Do(t.Context(), http.MethodGet, "/api/v1/namespaces/"+namespace+"/secrets", nil, &list); err != nil {
		t.Fatal(err)
	}
	for _, item := range list.Items {
		names = append(names, item.Metadata.Name)
	}
	return names
}

func namespaceOf(env []string) string { return strings.TrimPrefix(env[0], "KUBEMINT_NAMESPACE=") }

const stillThere = `: Secret \S+, which the token is bound to, is still there after `

// Nobody collects what the leases owned: nothing that ends a credential says that it did.
func revokesUnseen(t *testing.T, cluster *kubetest.ControlPlane) {
	t.Helper()
	source := withoutSecrets(t, cluster, "unseen")
	dir, env, client := mintFor(t, cluster, source)
	alive := func(what string) {
		t.Helper()
		if err := client.Do(t.Context(), http.MethodGet, "/apis/authentication.k8s.io/v1", nil, nil); err != nil {
			t.Errorf("%s: the token is dead after all: %v", what, err)
		}
	}
	lives := `^hint: the token lives until 20\S+Z unless you run  kubectl -n ` + namespaceOf(env) + ` delete secret kubemint-\S+$`

	// Replaced: the new credential is good, and the receipt keeps the old one.
	said := harness.RunAs(t, dir, source, env, 0)
	harness.AssertSays(t, said, "^warning: the credential that was here before lives on until `kubemint revoke`: revoke the credential of Lease "+`\S+`+stillThere)
	alive("replaced")

	said = harness.RunAs(t, dir, source, env, 7, "revoke")
	harness.AssertSays(t, said, `^error: revoke the credential of Lease \S+`+stillThere, lives, `garbage collector \(kube-controller-manager\) does not run$`)
	harness.AssertSaysNot(t, said, "revoked: ")
	alive("revoke")
	if _, err := os.Stat(harness.ReceiptIn(dir, "kubemint.kubeconfig")); err != nil {
		t.Error("the receipt is gone: ", err)
	}

	said = harness.RunAs(t, t.TempDir(), source, append(env, "PATH="+os.Getenv("PATH")), 125, "exec", "--", "true")
	harness.AssertSays(t, said, `^kubemint exec failed \(code 7\)$`, `^error: revoke the credential of Lease \S+`+stillThere, lives)

	// The administrator's sweep finds the Secrets, although their leases are gone and they have not expired.
	if left := secretsIn(t, cluster, namespaceOf(env)); len(left) != 3 {
		t.Errorf("left are %q", left)
	}
	said = harness.RunAs(t, t.TempDir(), source, env, 0, "sweep")
	harness.AssertSays(t, said, `^note: Secrets may not be listed by the runner's identity: one that outlived its lease, .*is not looked for$`, `^swept: 0 objects`)
	said = harness.RunAs(t, t.TempDir(), cluster.AdminKubeconfig(), env, 0, "sweep", "--dry-run")
	harness.AssertSays(t, said, `^deleted    Secret `+namespaceOf(env)+`/kubemint-\S+, whose lease is gone$`, `^dry run: 3 objects`)
	alive("sweep --dry-run")
	said = harness.RunAs(t, t.TempDir(), cluster.AdminKubeconfig(), env, 0, "sweep")
	harness.AssertSays(t, said, `^swept: 3 objects deleted in namespace `+namespaceOf(env)+`$`)
	if left := secretsIn(t, cluster, namespaceOf(env)); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
	harness.AwaitDeath(t, "sweep", client)
	said = harness.RunAs(t, dir, source, env, 0, "revoke")
	harness.AssertSays(t, said, `^revoked: lease `)
	harness.AssertOnlySource(t, dir)
}

// A run that fails after it has minted takes its credential back, and says where it has not seen that.
func rollsBackUnseen(t *testing.T, cluster *kubetest.ControlPlane) {
	t.Helper()
	source := withoutSecrets(t, cluster, "rollback")
	namespace, err := cluster.CreateNamespace(t.Context(), "rollback-")
	if err != nil {
		t.Fatal(err)
	}
	// Granted by hand, so that must_not fails.
	binding := "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: " + namespace + "}\n" +
		"subjects: [{kind: ServiceAccount, name: kubemint, namespace: " + namespace + "}]\n" +
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: rollback}\n"
	if err := cluster.Apply(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	said := harness.RunAs(t, dir, source, []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_MUST_NOT=create secrets"}, 5)
	harness.AssertSays(t, said, `^error: prove must_not: `, `^error: revoke the credential of Lease \S+`+stillThere,
		`^hint: the token lives until 20\S+Z unless you run  kubectl -n `+namespace+` delete secret kubemint-\S+$`)
	// The receipt is there for another try.
	if _, err := os.Stat(harness.ReceiptIn(dir, "kubemint.kubeconfig")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "kubemint.kubeconfig")); err == nil {
		t.Error("the kubeconfig is there")
	}
	harness.RunAs(t, dir, cluster.AdminKubeconfig(), []string{"KUBEMINT_NAMESPACE=" + namespace}, 0, "sweep")
	harness.RunAs(t, dir, source, []string{"KUBEMINT_NAMESPACE=" + namespace}, 0, "revoke")
	harness.AssertOnlySource(t, dir)
}
