package access

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// A control plane where a webhook decides as well as RBAC, as on EKS and GKE: rules reviews are marked incomplete there, and
// what the webhook grants is on no list.
func TestWebhookAuthorizer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	const prefix = "system:serviceaccount:"
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review authorizationv1.SubjectAccessReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Error(err)
		}
		asked := review.Spec.ResourceAttributes
		switch {
		case review.Spec.User == "cloud-admin": // whose rights no RBAC object holds
			review.Status.Allowed = true
		case review.Spec.User == "cloud-runner" && asked != nil && asked.Resource == "secrets":
			review.Status = authorizationv1.SubjectAccessReviewStatus{Allowed: asked.Verb == "get", Reason: "the cloud lets it read"}
		case asked == nil || !strings.HasPrefix(review.Spec.User, prefix):
		case strings.HasSuffix(review.Spec.User, ":watched") && asked.Verb == "watch" && asked.Resource == "secrets":
			review.Status = authorizationv1.SubjectAccessReviewStatus{Allowed: true, Reason: "the cloud lets it watch"}
		}
		if err := json.NewEncoder(w).Encode(review); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(hook.Close)
	config := filepath.Join(t.TempDir(), "webhook")
	err := os.WriteFile(config, []byte(`{apiVersion: v1, kind: Config, current-context: c, users: [{name: u, user: {}}],
  clusters: [{name: c, cluster: {server: "`+hook.URL+`"}}], contexts: [{name: c, context: {cluster: c, user: u}}]}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cluster := kubetest.New(t, kubetest.Options{APIServerArgs: []string{
		"--authorization-mode=RBAC,Webhook", "--authorization-webhook-config-file=" + config, "--authorization-webhook-version=v1",
	}})
	namespace, err := cluster.CreateNamespace(t.Context(), "hook-")
	if err != nil {
		t.Fatal(err)
	}
	admin, err := cluster.ClientKubeconfig("cloud-admin")
	if err != nil {
		t.Fatal(err)
	}
	env := func(account string, more ...string) []string {
		return append([]string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=list pods", "KUBEMINT_SERVICE_ACCOUNT=" + account}, more...)
	}

	t.Run("what the runner holds by the webhook counts", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		said := harness.RunAs(t, dir, admin, env("held"), 0, "plan")
		harness.AssertSays(t, said, `^dry run: nothing was changed and nothing minted$`)
		harness.RunAs(t, dir, admin, env("held"), 0)
		harness.RunAs(t, dir, admin, env("held"), 0, "revoke")
	})
	t.Run("what the credential holds by the webhook breaks must_not", func(t *testing.T) {
		t.Parallel()
		for _, forbidden := range []string{"watch secrets", "* secrets", "create,watch secrets app"} {
			dir := t.TempDir()
			said := harness.RunAs(t, dir, cluster.AdminKubeconfig(), env("watched", "KUBEMINT_MUST_NOT="+forbidden), 5)
			harness.AssertSays(t, said, `^error: prove must_not: in namespace `+namespace+` the credential may do what must_not forbids:$`,
				`^    watch  secrets`, `^        the cloud lets it watch$`)
			if _, err := os.Stat(filepath.Join(dir, "kubemint.kubeconfig")); !os.IsNotExist(err) {
				t.Errorf("a kubeconfig is left: %v", err)
			}
		}
	})
	t.Run("what it does not hold breaks nothing", func(t *testing.T) {
		t.Parallel()
		dir, forbidden := t.TempDir(), "KUBEMINT_MUST_NOT=* secrets\n* pods/exec\nget /debug/*\n*  *.apps"
		harness.RunAs(t, dir, cluster.AdminKubeconfig(), env("other", forbidden), 0)
		harness.RunAs(t, dir, cluster.AdminKubeconfig(), env("other", forbidden), 0, "revoke")
	})
	t.Run("bootstrap --check asks for what is on no list", func(t *testing.T) {
		t.Parallel()
		const unlisted = `^note: an authorizer besides RBAC decides too, and cannot list what it allows: `
		runner, err := cluster.ClientKubeconfig("cloud-runner")
		if err != nil {
			t.Fatal(err)
		}
		said := harness.RunAs(t, t.TempDir(), runner, env("checked"), 5, "bootstrap", "--check")
		harness.AssertSays(t, said, unlisted, `^    more, at cluster scope:\n      cluster  get  secrets\n          the cloud lets it read$`,
			`^    missing, in namespace `+namespace+`:$`, `^      list  +pods$`)
		harness.AssertSaysNot(t, said, "impersonate")
		said = harness.RunAs(t, t.TempDir(), admin, env("checked"), 5, "bootstrap", "--check")
		harness.AssertSays(t, said, unlisted, `^      cluster  \*  \*\.\*$`)
		harness.AssertSaysNot(t, said, "missing")
		said = harness.RunAs(t, t.TempDir(), admin, env("checked"), 0, "plan")
		harness.AssertSays(t, said, `^warning: the runner may do anything in this cluster, and so may whoever steals its credential: `)
	})
}
