package lifecycle

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// A control plane that grants no token for longer than an hour, which is the least that kube-apiserver takes
// as a cap. Commands that look at all namespaces are tested here too, where no script does the same at the
// same time.
func TestCappedServer(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster := kubetest.New(t, kubetest.Options{APIServerArgs: []string{"--service-account-max-token-expiration=1h"}})
	t.Run("killed runs are swept", func(t *testing.T) { t.Parallel(); killedRunIsSwept(t, cluster) })
	t.Run("shortened token", func(t *testing.T) { t.Parallel(); shortened(t, cluster) })
}

// Less was granted than asked: a warning that names both, or a failure that leaves nothing.
func shortened(t *testing.T, cluster *kubetest.ControlPlane) {
	t.Helper()
	l := harness.NewJob(t, cluster, false)
	const cause = "the API server granted 1h of the 2h asked for"

	warned := l.NewRun(t, "warned", 0, false)
	warned.Env = append(warned.Env, "KUBEMINT_DURATION=2h")
	command, stderr := harness.Command(t, warned.Dir, warned.Env)
	if err := command.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	for _, want := range []string{
		`(?m)^warning: ` + cause + ` \(EKS and AKS give no token over 24 h, GKE none over 48 h; elsewhere see --service-account-max-token-expiration\)$`,
		`(?m)^minted a token for \S+/warned \(asked 2h, granted 1h, expires `,
	} {
		if !regexp.MustCompile(want).MatchString(stderr.String()) {
			t.Errorf("it does not say %s:\n%s", want, stderr)
		}
	}
	harness.RunProgram(t, warned.Dir, warned.Env, "revoke")

	granted := l.NewRun(t, "granted", 0, false)
	granted.Env = append(granted.Env, "KUBEMINT_DURATION=1h", "KUBEMINT_ON_SHORTENED=fail")
	command, stderr = harness.Command(t, granted.Dir, granted.Env)
	if err := command.Run(); err != nil || strings.Contains(stderr.String(), "granted 1h of") {
		t.Errorf("the server grants an hour, and yet: %v: %s", err, stderr)
	}
	harness.RunProgram(t, granted.Dir, granted.Env, "revoke")

	failed := l.NewRun(t, "failed", 0, false)
	failed.Env = append(failed.Env, "KUBEMINT_DURATION=2h", "KUBEMINT_ON_SHORTENED=fail")
	command, stderr = harness.Command(t, failed.Dir, failed.Env)
	_ = command.Run()
	if code := command.ProcessState.ExitCode(); code != 5 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if want := "error: mint token for " + l.Namespaces[0] + "/failed: " + cause; !strings.Contains(stderr.String(), want+"\n") {
		t.Errorf("it does not say %s:\n%s", want, stderr)
	}
	failed.AssertNothingLeft(t)
	l.AssertAllDead(t) // the third is the one that the failed run was granted
}

// TestServerWithoutControllers has nobody who fills in a token Secret, and nobody who collects what a lease owned.
func TestServerWithoutControllers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster := kubetest.New(t, kubetest.Options{NoControllers: true})
	t.Run("permanent", func(t *testing.T) { t.Parallel(); notFilledIn(t, cluster) })
	t.Run("revoke --wait, allowed to delete Secrets", func(t *testing.T) { t.Parallel(); diesWithoutCollector(t, cluster) })
	t.Run("revoke --wait, not allowed", func(t *testing.T) { t.Parallel(); outlivesItsLease(t, cluster) })
	t.Run("revoke, exec, sweep", func(t *testing.T) { t.Parallel(); revokesUnseen(t, cluster) })
	t.Run("rollback", func(t *testing.T) { t.Parallel(); rollsBackUnseen(t, cluster) })
}

// A permanent token that no controller fills in is a clear error, and the Secret goes again.
func notFilledIn(t *testing.T, cluster *kubetest.ControlPlane) {
	t.Helper()
	for name, timeout := range map[string]string{"by our own bound": "2m", "by the run's timeout": "8s"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			namespace, err := cluster.CreateNamespace(t.Context(), "permanent-")
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			said := harness.RunAs(t, dir, cluster.AdminKubeconfig(), []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_DURATION=permanent", "KUBEMINT_TIMEOUT=" + timeout}, 5)
			harness.AssertSays(t, said, `^error: await token in Secret `+namespace+`/kubemint-token-kubemint: the cluster's token controller has not filled it in: does kube-controller-manager run\?$`)
			if strings.Contains(said, "reachable") {
				t.Errorf("it blames the connection:\n%s", said)
			}
			var list metav1.PartialObjectMetadataList
			if err := cluster.Admin.Do(t.Context(), http.MethodGet, "/api/v1/namespaces/"+namespace+"/secrets", nil, &list); err != nil {
				t.Fatal(err)
			}
			if len(list.Items) > 0 {
				t.Errorf("Secret %s is left", list.Items[0].Name)
			}
			harness.AssertOnlySource(t, dir)
		})
	}
}
