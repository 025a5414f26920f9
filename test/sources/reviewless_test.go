package sources

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// Where system:basic-user is bound to nobody, an account may not ask about itself. That is no right
// of the runner's, who is an administrator here: nobody advises to give it one.
func TestAccountThatMayNotAskAboutItself(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	k := &karpor{dir: t.TempDir(), cluster: kubetest.New(t, kubetest.Options{NoControllers: true})}
	const binding = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:basic-user"
	if err := k.cluster.Admin.Do(t.Context(), http.MethodDelete, binding, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.cluster.CreateNamespace(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(k.dir, "admin"), k.cluster.AdminKubeconfig(), 0o600); err != nil {
		t.Fatal(err)
	}
	k.env = []string{"KUBECONFIG=admin", "KUBEMINT_NAMESPACE=shop", "KUBEMINT_SERVICE_ACCOUNT=ci"}
	pods := "KUBEMINT_RULES=list pods"
	said := k.run(t, 0, []string{pods})
	harness.AssertSays(t, said, `^warning: unproven: that its access is in effect \(ServiceAccount shop/ci may not ask the API server what it may do\)$`)
	quiet(t, said, "an administrator can give it", "runner's identity", "that the token is")
	harness.AssertSays(t, k.run(t, 0, []string{pods}, "revoke"), `^revoked: lease shop/kubemint-ci-`)

	t.Log("must_not fails, and says how it can be shown")
	mustNot := "KUBEMINT_MUST_NOT=get secrets"
	said = k.run(t, 5, []string{pods, mustNot})
	harness.AssertSays(t, said, `^error: prove must_not: ServiceAccount shop/ci may not ask the API server what it may do, so what`,
		"^hint: have the account ask: add to `rules`  cluster create selfsubjectreviews")
	quiet(t, said, "an administrator can give it", "runner's identity")

	t.Log("that advice works, from the first run on")
	declared := pods + "\ncluster create selfsubjectreviews.authentication.k8s.io,selfsubjectrulesreviews.authorization.k8s.io," +
		"selfsubjectaccessreviews.authorization.k8s.io"
	for range 3 {
		said = k.run(t, 0, []string{declared, mustNot, "KUBEMINT_SERVICE_ACCOUNT=asks"})
		quiet(t, said, "unproven")
	}
	harness.AssertSays(t, k.run(t, 0, []string{declared, "KUBEMINT_SERVICE_ACCOUNT=asks"}, "revoke"), `^revoked: lease shop/kubemint-asks-`)
}
