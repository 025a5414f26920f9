package lifecycle

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// leaves is the program, but that it says what it has not ended when it is done: goroutines, and open files and connections.
func leaves() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	dir, err := os.Getwd()
	harness.ExitOn(err)
	before := openFiles()
	code := command.Main(ctx, command.Process{
		Args: append([]string{"kubemint"}, os.Args[1:]...), Environ: os.Environ(), Dir: dir, Streams: command.Streams{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr},
	})
	stop()
	for _, stack := range kubetest.GoroutinesLeft() {
		fmt.Fprintf(os.Stderr, "LEFT: %s\n", stack)
	}
	for _, file := range openFiles() {
		if !slices.Contains(before, file) && !strings.HasPrefix(file, "anon_inode:") { // the runtime's own, for polling
			fmt.Fprintln(os.Stderr, "LEFT:", file)
		}
	}
	os.Exit(code)
}

// openFiles lists the files that the process's descriptors lead to, on Linux.
func openFiles() (files []string) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		if file, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			files = append(files, file)
		}
	}
	return files
}

// Whatever becomes of a command, it ends what it has started, and closes what it has opened. (A process's end does so as well; but what
// goes on while the rest comes to an end may undo it.)
func TestARunLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	admin, err := cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args   []string
		env    string
		code   int
		answer leakAnswer
	}{
		"mint":               {},
		"mint again":         {env: "KUBEMINT_OUTPUT=earlier.kubeconfig"},
		"plan":               {args: []string{"plan"}},
		"exec":               {args: []string{"exec", "--", "true"}},
		"sweep":              {args: []string{"sweep"}},
		"prune":              {args: []string{"prune"}},
		"revoke":             {args: []string{"revoke", "--wait"}, env: "KUBEMINT_OUTPUT=earlier.kubeconfig"},
		"must not":           {env: "KUBEMINT_MUST_NOT=list pods", code: 5},
		"denied":             {code: 4, answer: at("POST", "/leases", 403, metav1.StatusReasonForbidden, leakDenied)},
		"unexpected cluster": {env: "KUBEMINT_EXPECT_CLUSTER=11111111-2222-3333-4444-555555555555", code: 3},
		"not minted":         {code: 5, answer: at("POST", "/token", 400, metav1.StatusReasonBadRequest, "no")},
		"not in time":        {env: "KUBEMINT_TIMEOUT=8s", code: 5, answer: raw("PATCH", "/serviceaccounts/ACCOUNT", 503, "text/plain", "away")},
		"no answer":          {env: "KUBEMINT_TIMEOUT=8s", code: 5, answer: holds},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLeak(t, cluster, admin, namespace, "left-"+strings.ToLower(strings.ReplaceAll(name, " ", "-")), leakPlatforms[0])
			if strings.HasPrefix(tt.env, "KUBEMINT_OUTPUT=") {
				harness.RunProgram(t, l.dir, append(slices.Clone(l.env), tt.env))
			}
			l.mu.Lock()
			l.fault.answer = tt.answer
			l.mu.Unlock()
			var stderr bytes.Buffer
			command := exec.CommandContext(t.Context(), "kubemint-test-leaves", tt.args...)
			command.Dir, command.Env, command.Stderr = l.dir, append(l.env, tt.env), &stderr
			_ = command.Run()
			if have := command.ProcessState.ExitCode(); have != tt.code || strings.Contains(stderr.String(), "LEFT: ") {
				t.Errorf("exit code %d: %s", have, stderr.String())
			}
		})
	}
}

// holds never answers a request for a token.
func holds(_ *leak, _ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
	if strings.HasSuffix(r.URL.Path, "/token") {
		select {
		case <-r.Context().Done():
		case <-time.After(harness.Patience):
		}
		panic(http.ErrAbortHandler)
	}
	return false
}
