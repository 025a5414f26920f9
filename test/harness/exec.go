package harness

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/test/kubetest"
)

// Exec runs kubemint exec in this process: only there a test can make it renew before its time.
type Exec struct {
	*Run

	Stdout, Stderr kubetest.Lines
	Code           chan int
}

// StartExec runs a command with a token of ten minutes that is renewed every two seconds.
func (v *Run) StartExec(t *testing.T, words ...string) *Exec {
	t.Helper()
	e := &Exec{Run: v, Code: make(chan int, 1)}
	process := command.Process{
		Args:    append([]string{"kubemint", "exec", "--"}, words...),
		Environ: append([]string{"PATH=" + os.Getenv("PATH"), "KUBEMINT_DURATION=10m"}, v.Env...),
		Dir:     v.Dir, Streams: command.Streams{Stdin: http.NoBody, Stdout: &e.Stdout, Stderr: &e.Stderr}, ForTests: command.ForTests{RenewAfter: 2 * time.Second},
	}
	go func() { e.Code <- command.Main(t.Context(), process) }()
	return e
}

// WaitForDone is a command that runs until the test calls done.
const WaitForDone = `until [ -e done ]; do sleep 0.1; done; rm done`

// Finish ends a command that runs [WaitForDone].
func (e *Exec) Finish(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(e.Dir, "done"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e.AwaitEnd(t, 0)
}

// AwaitEnd demands the exit code, and that the run left nothing.
func (e *Exec) AwaitEnd(t *testing.T, want int) {
	t.Helper()
	select {
	case code := <-e.Code:
		if code != want {
			t.Errorf("exit code %d, not %d: %s", code, want, &e.Stderr)
		}
	case <-time.After(90 * time.Second):
		t.Fatalf("it does not end: %s", &e.Stderr)
	}
	e.AssertNothingLeft(t)
}

// AwaitTrue waits for what a test expects.
func (e *Exec) AwaitTrue(t *testing.T, what string, is func() bool) {
	t.Helper()
	for start := time.Now(); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Since(start) > Patience || len(e.Code) > 0 {
			t.Fatalf("%s: never; it says: %s", what, &e.Stderr)
		}
	}
}

// FindExpiry returns the expiry of the run's lease, "" while the lease does not exist.
func (e *Exec) FindExpiry(t *testing.T) string {
	t.Helper()
	for _, path := range e.FindObjects(t) {
		var lease metav1.PartialObjectMetadata
		if strings.Contains(path, "/leases/") && e.Cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, &lease) == nil {
			return lease.Annotations["kubemint/expires-at"]
		}
	}
	return ""
}

// ExitOn ends a program of the tests where there is an error.
func ExitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}
