//go:build unix

package command

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubemint/kubemint/internal/command/child"
	"github.com/kubemint/kubemint/internal/command/process"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/test/kubetest"
)

// exec runs a shell script with a credential.
func (w *world) exec(t *testing.T, script string, env ...string) int {
	t.Helper()
	return w.runArgs(t, []string{"exec", "--", "sh", "-c", script}, env...)
}

// noTrace asserts that only the declared access remains from a run of exec.
func (w *world) noTrace(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(w.path("private"))
	if left := w.credentials(); len(left) > 0 || len(entries) > 0 || err != nil {
		t.Errorf("left %q and %v: %v", left, entries, err)
	}
}

// The command has a kubeconfig in a private directory and returns its own exit code. Afterwards
// nothing remains, whatever that code is.
func TestExec_RunsTheCommandWithACredential(t *testing.T) {
	t.Parallel()
	for _, code := range []int{0, 7} {
		w := newWorld(t)
		script := `test -s "$KUBECONFIG" && ls -ld "$(dirname "$KUBECONFIG")"; exit ` + string(rune('0'+code))
		if got := w.exec(t, script); got != code {
			t.Errorf("exit code %d, want %d\n%s", got, code, w.stderr)
		}
		if !strings.HasPrefix(w.stdout.String(), "drwx------") || !strings.Contains(w.stdout.String(), w.path("private")) {
			t.Errorf("printed %q", w.stdout)
		}
		w.noTrace(t)
	}
}

// What cannot be run is found out before anything is asked for.
func TestExec_CommandThatIsNotThere(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]int{
		"exec -- no-such-program": child.ExitNotFound, "exec": child.ExitOurs, "exec --": child.ExitOurs,
	} {
		w := newWorld(t)
		if code := w.run(t, line); code != want || len(w.Asked()) > 0 {
			t.Errorf("%s: exit code %d, asked %q\n%s", line, code, w.Asked(), w.stderr)
		}
	}
}

// An input that has no meaning for exec is refused, each of them, so that none is ignored.
func TestExec_InputsWithoutMeaning(t *testing.T) {
	t.Parallel()
	for input, env := range map[string]string{
		"output": "KUBEMINT_OUTPUT=kc", "dry_run": "KUBEMINT_DRY_RUN=true", "export_env": "KUBEMINT_EXPORT_ENV=false",
		"revoke": "KUBEMINT_REVOKE=false", "secret_outputs": "KUBEMINT_SECRET_OUTPUTS=true",
	} {
		w := newWorld(t)
		if code := w.exec(t, "echo ran", env); code != child.ExitOurs || len(w.Asked()) > 0 || w.stdout.String() != "" {
			t.Errorf("%s: exit code %d, printed %q", input, code, w.stdout)
		}
		w.wantLog(t, "input "+input+": has no meaning for kubemint exec", "kubemint exec failed (code 2)")
	}
}

// Without a credential the command does not run, and the exit code tells the two apart.
func TestExec_MintFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Forbid("^apply roles")
	if code := w.exec(t, "echo ran"); code != child.ExitOurs || w.stdout.String() != "" {
		t.Errorf("exit code %d, printed %q", code, w.stdout)
	}
	w.wantLog(t, "kubemint exec failed (code 4)")
	w.noTrace(t)
}

// A credential that lives on is an error of its own, but for a command that has failed: its exit code
// says more. The private directory goes in any case.
func TestExec_RevokeFails(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]int{"exit 0": child.ExitOurs, "exit 3": 3} {
		w := newWorld(t)
		w.Forbid("^delete leases")
		if code := w.exec(t, script); code != want {
			t.Errorf("%s: exit code %d\n%s", script, code, w.stderr)
		}
		w.wantLog(t, "kubectl -n shop delete lease kubemint-ci-")
		if entries, err := os.ReadDir(w.path("private")); err != nil || len(entries) > 0 {
			t.Errorf("%s: left %v: %v", script, entries, err)
		}
	}
}

// The token is replaced while the command runs, in the file that clients read again; what ends in the
// end is the one credential.
func TestExec_RenewsTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change = func(p *session.Process) { p.RenewAfter = 10 * time.Millisecond }
	const untilRenewed = `token="$(dirname "$KUBECONFIG")/token"; first="$(cat "$token")"
until [ "$(cat "$token")" != "$first" ]; do sleep 0.01; done`
	if code := w.exec(t, untilRenewed); code != 0 {
		t.Errorf("exit code %d\n%s", code, w.stderr)
	}
	w.noTrace(t)
}

// A renewal that fails is said, and the command goes on with the token that it has.
func TestExec_RenewalThatFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change = func(p *session.Process) { p.RenewAfter = 10 * time.Millisecond }
	w.Forbid("^create serviceaccounts/token")
	if code := w.exec(t, "exit 0"); code != child.ExitOurs {
		t.Fatalf("exit code %d", code)
	}
	w = newWorld(t)
	w.change = func(p *session.Process) {
		p.RenewAfter = 10 * time.Millisecond
		go func() { // the command ends once it is said
			for range 1000 {
				if strings.Contains(p.Stderr.(*kubetest.Lines).String(), "the token is not renewed") {
					_ = os.WriteFile(w.path("checkout/go"), nil, 0o600)
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}()
	}
	minted := 0
	w.Intercept(func(asked string) error {
		if asked == "create serviceaccounts/token shop/ci" {
			if minted++; minted > 1 {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "serviceaccounts"}, "ci", errors.New("no more"))
			}
		}
		return nil
	})
	code := w.exec(t, "for i in $(seq 1000); do test -e go && exit 0; sleep 0.01; done; exit 3")
	if code != 0 {
		t.Errorf("exit code %d\n%s", code, w.stderr)
	}
	w.noTrace(t)
}

// A process whose environment is lost has no inputs; one that could not hide it says so and goes on,
// since every other step of the job can read them too.
func TestExec_ExposedEnvironment(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		exposed error
		want    int
		says    string
	}{
		"hidden":     {nil, 0, ""},
		"not hidden": {errors.New("ptrace_scope is 0"), 0, "the command may be able to read the inputs in /proc: ptrace_scope is 0"},
		"lost":       {process.ErrLost, child.ExitOurs, "if KUBEMINT_HANDOVER is set in this job's environment, remove it"},
	} {
		w := newWorld(t)
		w.change = func(p *session.Process) { p.Exposed = tt.exposed }
		if code := w.exec(t, "exit 0"); code != tt.want {
			t.Errorf("%s: exit code %d\n%s", name, code, w.stderr)
		}
		w.wantLog(t, tt.says)
	}
}

// The exit code is the command's, unless kubemint itself failed and the command did not.
func TestEndWith(t *testing.T) {
	t.Parallel()
	failure := problem.Newf(problem.Revoke, "delete Lease x", "refused")
	for name, tt := range map[string]struct {
		code int
		err  error
		want int
		says string
	}{
		"all is well":           {0, nil, 0, ""},
		"the command fails":     {7, nil, 7, ""},
		"kubemint fails":        {0, failure, child.ExitOurs, "kubemint exec failed (code 7)"},
		"both fail":             {7, failure, 7, ""},
		"it could not be found": {child.ExitNotFound, failure, child.ExitNotFound, ""},
	} {
		w := newWorld(t)
		w.stderr = &kubetest.Lines{}
		s := session.New(session.Process{Dir: w.root, Streams: session.Streams{Stdout: w.stderr, Stderr: w.stderr}})
		err := endWith(s, "exec", tt.code, tt.err)
		code := 0
		if exit, ok := errors.AsType[*exitError](err); ok {
			code = exit.code
		}
		if code != tt.want || (err != nil) != (tt.want != 0) || (tt.says == "") != (w.stderr.String() == "") {
			t.Errorf("%s: %d: %v\n%s", name, code, err, w.stderr)
		}
		w.wantLog(t, tt.says)
	}
}
