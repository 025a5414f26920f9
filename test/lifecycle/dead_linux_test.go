package lifecycle

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// A garbage collector that is late is waited for, by revoke, by exec, and where an earlier credential is replaced.
func TestRevoke_CollectorIsLate(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster := kubetest.New(t, kubetest.Options{})
	source := withoutSecrets(t, cluster, "late")
	dir, env, client := mintFor(t, cluster, source)
	stop := func() {
		t.Helper()
		if err := cluster.SignalControllers(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(3*time.Second, func() { _ = cluster.SignalControllers(syscall.SIGCONT) })
	}
	t.Cleanup(func() { _ = cluster.SignalControllers(syscall.SIGCONT) }) // one that is stopped does not end

	stop()
	said := harness.RunAs(t, dir, source, env, 0) // mints again
	declaredNothing := strings.Count(said, "warning: neither `rules` nor `role` is set")
	if declaredNothing != 1 || strings.Count(said, "warning: ") != declaredNothing {
		t.Errorf("it warns of more than that nothing is declared:\n%s", said)
	}
	harness.AwaitDeath(t, "the credential that was replaced", client)
	stop()
	said = harness.RunAs(t, dir, source, env, 0, "revoke")
	harness.AssertSays(t, said, `^revoked: lease \S+ is deleted; new requests are refused within about 10 s$`)
	stop()
	said = harness.RunAs(t, dir, source, append(env, "KUBEMINT_SERVICE_ACCOUNT=other", "PATH="+os.Getenv("PATH")), 0, "exec", "--", "true")
	harness.AssertSaysNot(t, said, "error")
	stop()
	must := append(env, "KUBEMINT_RULES=list pods", "KUBEMINT_MUST_NOT=list pods")
	said = harness.RunAs(t, dir, cluster.AdminKubeconfig(), must, 5)
	harness.AssertSaysNot(t, said, "revoke the credential")
	var secrets struct{ Items []any }
	err := cluster.Admin.Do(t.Context(), http.MethodGet, "/api/v1/secrets", nil, &secrets)
	if err != nil || len(secrets.Items) > 0 {
		t.Errorf("%d Secrets are left, %v", len(secrets.Items), err)
	}
}
