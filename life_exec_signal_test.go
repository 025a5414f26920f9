package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// SIGTERM is the command's: it decides how to end. Whatever it does, the credential is dead afterwards and the private
// directory is gone.
func TestExecHandsOnSignals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		command string
		signal  syscall.Signal
		code    int
	}{
		"a command that SIGTERM ends":        {`exec sleep 60`, syscall.SIGTERM, 128 + 15},
		"a command that ends by its own way": {`trap 'exit 9' TERM; while :; do sleep 0.1; done`, syscall.SIGTERM, 9},
		"a command that goes on":             {`trap 'echo heard >signal' TERM; until [ -e signal ]; do sleep 0.1; done; exit 3`, syscall.SIGTERM, 3},
		"SIGINT":                             {`trap 'exit 8' INT; while :; do sleep 0.1; done`, syscall.SIGINT, 8},
		"a command that crashes":             {`kill -SEGV $$`, 0, 128 + 11},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, _ := sharedCluster(t)
			l := newLife(t, cluster, true)
			v := l.victim(t, fmt.Sprintf("exec-%d-%d", tc.signal, tc.code), 0, false)
			started := filepath.Join(t.TempDir(), "started")
			env := append(v.env, "PATH="+os.Getenv("PATH"), "STARTED="+started)
			command, stderr := program(t, v.dir, env, "exec", "--", "sh", "-c",
				`echo "$KUBECONFIG" >"$STARTED.new"; mv "$STARTED.new" "$STARTED"; `+tc.command)
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			var file []byte
			for start := time.Now(); len(file) == 0 && time.Since(start) < patience; time.Sleep(10 * time.Millisecond) {
				file, _ = os.ReadFile(started)
			}
			private := filepath.Dir(strings.TrimSpace(string(file)))
			if tc.signal != 0 {
				if _, err := os.Stat(filepath.Join(private, "kubeconfig")); err != nil {
					t.Error(err)
				}
				time.Sleep(100 * time.Millisecond) // until the shell has set its trap
				_ = command.Process.Signal(tc.signal)
			}
			_ = command.Wait()
			if code := command.ProcessState.ExitCode(); code != tc.code {
				t.Errorf("exit code %d, not %d: %s", code, tc.code, stderr)
			}
			if _, err := os.Stat(private); !os.IsNotExist(err) {
				t.Errorf("%s is left", private)
			}
			_ = os.Remove(filepath.Join(v.dir, "signal"))
			v.nothingLeft(t)
			if len(l.minted) != 1 {
				t.Fatalf("%d tokens: %s", len(l.minted), stderr)
			}
			awaitDeath(t, "exec's token", l.bearer(t, l.minted[0]))
		})
	}
}
