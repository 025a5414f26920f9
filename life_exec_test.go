package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/app"
	"github.com/kubemint/kubemint/internal/kubetest"
)

// whoAmI is a program as a job runs it, with client-go's own transport: it asks the API server every second who it is,
// prints each token id that it has not seen before, and ends after the second one, or after 75 s. It fails at the first
// refusal.
func whoAmI() {
	content, err := os.ReadFile(os.Getenv("KUBECONFIG"))
	fail(err)
	client, err := kubetest.NewClient(content)
	fail(err)
	seen := map[string]bool{}
	for start := time.Now(); time.Since(start) < 75*time.Second && len(seen) < 2; time.Sleep(time.Second) {
		review := authenticationv1.SelfSubjectReview{}
		fail(client.Do(context.Background(), http.MethodPost, "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, &review))
		id := strings.Join(review.Status.UserInfo.Extra["authentication.kubernetes.io/credential-id"], ",")
		if !seen[id] {
			fmt.Println(id)
		}
		seen[id] = true
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

// heard is a standard stream that may be read while it is written.
type heard struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (h *heard) Write(data []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buffer.Write(data)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buffer.String()
}

// execution is kubemint exec in this process, which alone can be told to renew before its time.
type execution struct {
	*victim

	stdout, stderr heard
	code           chan int
}

// execute runs a command with a token of ten minutes that is renewed every two seconds.
func (v *victim) execute(t *testing.T, command ...string) *execution {
	t.Helper()
	e := &execution{victim: v, code: make(chan int, 1)}
	process := app.Process{
		Args:    append([]string{"kubemint", "exec", "--"}, command...),
		Environ: append([]string{"PATH=" + os.Getenv("PATH"), "KUBEMINT_DURATION=10m"}, v.env...),
		Dir:     v.dir, Stdin: http.NoBody, Stdout: &e.stdout, Stderr: &e.stderr, RenewAfter: 2 * time.Second,
	}
	go func() { e.code <- app.Main(t.Context(), process) }()
	return e
}

// waitForDone is a command that runs until the test calls done.
const waitForDone = `until [ -e done ]; do sleep 0.1; done; rm done`

func (e *execution) done(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(e.dir, "done"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e.ends(t, 0)
}

// ends demands the exit code, and that the run left nothing.
func (e *execution) ends(t *testing.T, want int) {
	t.Helper()
	select {
	case code := <-e.code:
		if code != want {
			t.Errorf("exit code %d, not %d: %s", code, want, &e.stderr)
		}
	case <-time.After(90 * time.Second):
		t.Fatalf("it does not end: %s", &e.stderr)
	}
	e.nothingLeft(t)
}

// eventually waits for what a test expects.
func (e *execution) eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for start := time.Now(); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Since(start) > patience || len(e.code) > 0 {
			t.Fatalf("%s: never; it says: %s", what, &e.stderr)
		}
	}
}

// expiresAt is what the run's lease says, "" while there is none.
func (e *execution) expiresAt(t *testing.T) string {
	t.Helper()
	for _, path := range e.objects(t) {
		var lease metav1.PartialObjectMetadata
		if strings.Contains(path, "/leases/") && e.cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, &lease) == nil {
			return lease.Annotations["kubemint/expires-at"]
		}
	}
	return ""
}

// While a command runs, its token is renewed: client-go goes on with the next one, is never refused, and all the tokens
// of the run die with its one lease, whose expiry moved along meanwhile.
func TestExecRenews(t *testing.T) {
	t.Parallel()
	cluster, _ := sharedCluster(t)
	l := newLife(t, cluster, false)
	e := l.victim(t, "renews", 0, false).execute(t, "kubemint-test-whoami")
	first := ""
	e.eventually(t, "lease", func() bool { first = e.expiresAt(t); return first != "" })
	for range 2 { // twice: the second time the lease is no longer as it was made
		e.eventually(t, "the lease's expiry moves", func() bool { return e.expiresAt(t) > first })
		first = e.expiresAt(t)
	}
	e.ends(t, 0)
	if ids := strings.Fields(e.stdout.String()); len(ids) != 2 || !strings.HasPrefix(ids[0], "JTI=") || !strings.HasPrefix(ids[1], "JTI=") {
		t.Errorf("token ids that the API server saw: %q", ids)
	}
	if said := e.stderr.String(); strings.Contains(said, "not renewed") || strings.Contains(said, "refused") {
		t.Errorf("it says:\n%s", said)
	}
	l.allDead(t)
}

// GitHub's runner knows a command by the beginning of its line, and the command that runs may have begun one.
func TestExecMasksOnALineOfItsOwn(t *testing.T) {
	t.Parallel()
	cluster, _ := sharedCluster(t)
	l := newLife(t, cluster, false)
	v := &victim{}
	l.through(t, v, "lines", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) { next.ServeHTTP(w, r) })
	v.env = append(v.env, "GITHUB_ACTIONS=true")
	e := v.execute(t, "sh", "-c", "printf 'not the end of a line' >&2; "+waitForDone)
	e.eventually(t, "renewal", func() bool { return strings.Count(e.stderr.String(), "::add-mask::") > 2 })
	e.done(t)
	for line := range strings.Lines(e.stderr.String()) {
		if before, _, found := strings.Cut(line, "::add-mask::"); found && before != "" {
			t.Errorf("a mask is printed behind %q", before)
		}
	}
}

// The command has chosen another namespace in its kubeconfig, or merged another cluster into it: that is not undone.
func TestExecLeavesAChangedKubeconfig(t *testing.T) {
	t.Parallel()
	cluster, _ := sharedCluster(t)
	l := newLife(t, cluster, false)
	e := l.victim(t, "changed", 0, false).execute(t, "sh", "-c", `echo '# mine' >> "$KUBECONFIG"; `+waitForDone+`; grep '^# mine' "$KUBECONFIG"`)
	e.eventually(t, "renewal", func() bool { return strings.Contains(e.stderr.String(), "the command has changed ") })
	e.done(t)
	if got := e.stdout.String(); got != "# mine\n" {
		t.Errorf("the kubeconfig has %q", got)
	}
}

// A renewal that fails is reported and tried again.
func TestExecRetriesRenewal(t *testing.T) {
	t.Parallel()
	cluster, _ := sharedCluster(t)
	l := newLife(t, cluster, false)
	var minted, failing atomic.Bool
	v := &victim{}
	l.through(t, v, "retries", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/token") && failing.Load() {
			http.Error(w, "etcd is away", http.StatusInternalServerError)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		l.keepToken(r, answer)
		minted.Store(minted.Load() || strings.HasSuffix(r.URL.Path, "/token"))
		deliver(w, answer)
	})
	v.env = append(v.env, "KUBEMINT_TIMEOUT=3s")
	e := v.execute(t, "sh", "-c", waitForDone)
	e.eventually(t, "first token", minted.Load)
	failing.Store(true)
	e.eventually(t, "report", func() bool { return strings.Count(e.stderr.String(), "warning: the token is not renewed") > 1 })
	says(t, e.stderr.String(), `^warning: the token is not renewed, and the one in use expires \S+Z: mint token for \S+/retries: .*etcd is away`)
	before := e.expiresAt(t)
	failing.Store(false)
	e.eventually(t, "renewal", func() bool { return e.expiresAt(t) > before })
	e.done(t)
}

// After the command there is time to revoke: what waits for a new login of the source is not cut short.
func TestExecRevokesPatiently(t *testing.T) {
	t.Parallel()
	cluster, _ := sharedCluster(t)
	l := newLife(t, cluster, false)
	v := &victim{}
	l.through(t, v, "patient", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/leases/") {
			time.Sleep(4 * time.Second)
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		l.keepToken(r, answer)
		deliver(w, answer)
	})
	v.execute(t, "true").ends(t, 0)
}

// A runner that may not patch leases is told once what that means; the token is renewed all the same.
func TestExecMayNotPatchLease(t *testing.T) {
	t.Parallel()
	cluster, namespace := sharedCluster(t)
	l := newLife(t, cluster, false)
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
	v := &victim{life: l, account: "bare", dir: t.TempDir()}
	v.env = []string{"KUBECONFIG=" + file, "KUBEMINT_NAMESPACE=" + l.namespaces[0], "KUBEMINT_SERVICE_ACCOUNT=bare", "KUBEMINT_DEBUG=true"}
	e := v.execute(t, "sh", "-c", waitForDone)
	e.eventually(t, "two renewals", func() bool { return strings.Count(e.stderr.String(), "debug: renewed the token") > 1 })
	e.done(t)
	const warning = "may not patch Lease " // and the name
	if said := e.stderr.String(); strings.Count(said, warning) != 1 || strings.Count(said, "warning: the runner") != 1 {
		t.Errorf("it says:\n%s", said)
	}
}
