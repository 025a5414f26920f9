package lifecycle

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// whoAmI is a program as a job runs it, with client-go's own transport: it asks the API server every second who it is,
// prints each token id that it has not seen before, and ends after the second one, or after 75 s. It fails at the first
// refusal.
func whoAmI() {
	content, err := os.ReadFile(os.Getenv("KUBECONFIG"))
	harness.ExitOn(err)
	client, err := kubetest.NewClient(content)
	harness.ExitOn(err)
	seen := map[string]bool{}
	for start := time.Now(); time.Since(start) < 75*time.Second && len(seen) < 2; time.Sleep(time.Second) {
		review := authenticationv1.SelfSubjectReview{}
		harness.ExitOn(client.Do(context.Background(), http.MethodPost, "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, &review))
		id := strings.Join(review.Status.UserInfo.Extra["authentication.kubernetes.io/credential-id"], ",")
		if !seen[id] {
			fmt.Println(id)
		}
		seen[id] = true
	}
}

// While a command runs, its token is renewed: client-go goes on with the next one, is never refused, and all the tokens
// of the run die with its one lease, whose expiry moved along meanwhile.
func TestExecRenews(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	e := l.NewRun(t, "renews", 0, false).StartExec(t, "kubemint-test-whoami")
	first := ""
	e.AwaitTrue(t, "lease", func() bool { first = e.FindExpiry(t); return first != "" })
	for range 2 { // twice: the second time the lease is no longer as it was made
		e.AwaitTrue(t, "the lease's expiry moves", func() bool { return e.FindExpiry(t) > first })
		first = e.FindExpiry(t)
	}
	e.AwaitEnd(t, 0)
	if ids := strings.Fields(e.Stdout.String()); len(ids) != 2 || !strings.HasPrefix(ids[0], "JTI=") || !strings.HasPrefix(ids[1], "JTI=") {
		t.Errorf("token ids that the API server saw: %q", ids)
	}
	if said := e.Stderr.String(); strings.Contains(said, "not renewed") || strings.Contains(said, "refused") {
		t.Errorf("it says:\n%s", said)
	}
	l.AssertAllDead(t)
}

// GitHub's runner knows a command by the beginning of its line, and the command that runs may have begun one.
func TestExecMasksOnALineOfItsOwn(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	v := &harness.Run{}
	l.RouteThrough(t, v, "lines", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) })
	v.Env = append(v.Env, "GITHUB_ACTIONS=true")
	e := v.StartExec(t, "sh", "-c", "printf 'not the end of a line' >&2; "+harness.WaitForDone)
	e.AwaitTrue(t, "renewal", func() bool { return strings.Count(e.Stderr.String(), "::add-mask::") > 2 })
	e.Finish(t)
	for line := range strings.Lines(e.Stderr.String()) {
		if before, _, found := strings.Cut(line, "::add-mask::"); found && before != "" {
			t.Errorf("a mask is printed behind %q", before)
		}
	}
}

// The command has chosen another namespace in its kubeconfig, or merged another cluster into it: that is not undone.
func TestExecLeavesAChangedKubeconfig(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	e := l.NewRun(t, "changed", 0, false).StartExec(t, "sh", "-c", `echo '# mine' >> "$KUBECONFIG"; `+harness.WaitForDone+`; grep '^# mine' "$KUBECONFIG"`)
	e.AwaitTrue(t, "renewal", func() bool { return strings.Contains(e.Stderr.String(), "the command has changed ") })
	e.Finish(t)
	if got := e.Stdout.String(); got != "# mine\n" {
		t.Errorf("the kubeconfig has %q", got)
	}
}

// A renewal that fails is reported and tried again.
func TestExecRetriesRenewal(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	var minted, failing atomic.Bool
	v := &harness.Run{}
	l.RouteThrough(t, v, "retries", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/token") && failing.Load() {
			http.Error(w, "etcd is away", http.StatusInternalServerError)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		l.KeepToken(r, answer)
		minted.Store(minted.Load() || strings.HasSuffix(r.URL.Path, "/token"))
		harness.Deliver(w, answer)
	})
	v.Env = append(v.Env, "KUBEMINT_TIMEOUT=6s")
	e := v.StartExec(t, "sh", "-c", harness.WaitForDone)
	e.AwaitTrue(t, "first token", minted.Load)
	failing.Store(true)
	e.AwaitTrue(t, "report", func() bool { return strings.Count(e.Stderr.String(), "warning: the token is not renewed") > 1 })
	harness.AssertSays(t, e.Stderr.String(), `^warning: the token is not renewed, and the one in use expires \S+Z: mint token for \S+/retries: .*etcd is away`)
	before := e.FindExpiry(t)
	failing.Store(false)
	e.AwaitTrue(t, "renewal", func() bool { return e.FindExpiry(t) > before })
	e.Finish(t)
}

// After the command there is time to revoke: what waits for a new login of the source is not cut short.
func TestExecRevokesPatiently(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	v := &harness.Run{}
	l.RouteThrough(t, v, "patient", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/leases/") {
			time.Sleep(4 * time.Second)
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		l.KeepToken(r, answer)
		harness.Deliver(w, answer)
	})
	v.StartExec(t, "true").AwaitEnd(t, 0)
}

// A runner that may not patch leases is told once what that means; the token is renewed all the same.
func TestExecMayNotPatchLease(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	if err := cluster.Apply(t.Context(), fmt.Sprintf(rightsWithoutSecrets, namespace)); err != nil {
		t.Fatal(err)
	}
	source, err := cluster.ClientKubeconfig(namespace)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(file, source, 0o600); err != nil {
		t.Fatal(err)
	}
	v := &harness.Run{Job: l, Account: "bare", Dir: t.TempDir()}
	v.Env = []string{"KUBECONFIG=" + file, "KUBEMINT_NAMESPACE=" + l.Namespaces[0], "KUBEMINT_SERVICE_ACCOUNT=bare", "KUBEMINT_DEBUG=true"}
	e := v.StartExec(t, "sh", "-c", harness.WaitForDone)
	e.AwaitTrue(t, "two renewals", func() bool { return strings.Count(e.Stderr.String(), "debug: renewed the token") > 1 })
	e.Finish(t)
	const warning = "may not patch Lease " // and the name
	if said := e.Stderr.String(); strings.Count(said, warning) != 1 || strings.Count(said, "warning: the runner") != 1 {
		t.Errorf("it says:\n%s", said)
	}
}
