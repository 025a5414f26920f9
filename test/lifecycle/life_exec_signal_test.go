package lifecycle

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubemint/kubemint/test/harness"
)

// SIGTERM is the command's: it decides how to end. Whatever it does, the credential is dead afterwards and the private
// directory is gone.
func TestExecHandsOnSignals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		trap, command string
		signal        syscall.Signal
		code          int
	}{
		"a command that SIGTERM ends":        {``, `exec sleep 60`, syscall.SIGTERM, 128 + 15},
		"a command that ends by its own way": {`trap 'exit 9' TERM`, `while :; do sleep 0.1; done`, syscall.SIGTERM, 9},
		"a command that goes on":             {`trap 'echo heard >signal' TERM`, `until [ -e signal ]; do sleep 0.1; done; exit 3`, syscall.SIGTERM, 3},
		"SIGINT":                             {`trap 'exit 8' INT`, `while :; do sleep 0.1; done`, syscall.SIGINT, 8},
		"a command that crashes":             {``, `kill -SEGV $$`, 0, 128 + 11},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, _ := harness.NewNamespace(t)
			l := harness.NewJob(t, cluster, true)
			v := l.NewRun(t, fmt.Sprintf("exec-%d-%d", tc.signal, tc.code), 0, false)
			started := filepath.Join(t.TempDir(), "started")
			env := append(v.Env, "PATH="+os.Getenv("PATH"), "STARTED="+started)
			command, stderr := harness.Command(t, v.Dir, env, "exec", "--", "sh", "-c",
				tc.trap+"\n"+`echo "$KUBECONFIG" >"$STARTED.new"; mv "$STARTED.new" "$STARTED"; `+tc.command)
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			var file []byte
			for start := time.Now(); len(file) == 0 && time.Since(start) < harness.Patience; time.Sleep(10 * time.Millisecond) {
				file, _ = os.ReadFile(started)
			}
			private := filepath.Dir(strings.TrimSpace(string(file)))
			if tc.signal != 0 {
				if _, err := os.Stat(filepath.Join(private, "kubeconfig")); err != nil {
					t.Error(err)
				}
				_ = command.Process.Signal(tc.signal)
			}
			_ = command.Wait()
			if code := command.ProcessState.ExitCode(); code != tc.code {
				t.Errorf("exit code %d, not %d: %s", code, tc.code, stderr)
			}
			if _, err := os.Stat(private); !os.IsNotExist(err) {
				t.Errorf("%s is left", private)
			}
			_ = os.Remove(filepath.Join(v.Dir, "signal"))
			v.AssertNothingLeft(t)
			if len(l.Minted) != 1 {
				t.Fatalf("%d tokens: %s", len(l.Minted), stderr)
			}
			harness.AwaitDeath(t, "exec's token", l.NewBearer(t, l.Minted[0]))
		})
	}
}
