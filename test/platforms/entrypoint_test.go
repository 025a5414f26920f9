package platforms

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The entrypoint starts the kubemint that lies next to it: a stub that prints its arguments shows which program was called.
func TestEntrypoint(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no argument is left to kubemint, which mints": {nil, "kubemint\n"},
		"an empty argument is no program's name":       {[]string{""}, "kubemint <>\n"},
		"mint":                                         {[]string{"mint"}, "kubemint <mint>\n"},
		"plan":                                         {[]string{"plan"}, "kubemint <plan>\n"},
		"revoke with flags":                            {[]string{"revoke", "--wait", "--permanent"}, "kubemint <revoke> <--wait> <--permanent>\n"},
		"exec is kubemint's, not the shell's":          {[]string{"exec", "--", "true"}, "kubemint <exec> <--> <true>\n"},
		"bootstrap":                                    {[]string{"bootstrap"}, "kubemint <bootstrap>\n"},
		"sweep":                                        {[]string{"sweep"}, "kubemint <sweep>\n"},
		"prune":                                        {[]string{"prune"}, "kubemint <prune>\n"},
		"version":                                      {[]string{"version"}, "kubemint <version>\n"},
		"help":                                         {[]string{"help"}, "kubemint <help>\n"},
		"a flag is kubemint's":                         {[]string{"--help"}, "kubemint <--help>\n"},
		"arguments stay as they are":                   {[]string{"plan", "a b", "*", "$HOME"}, "kubemint <plan> <a b> <*> <$HOME>\n"},
		"GitLab: a shell with a script":                {[]string{"sh", "-c", "echo $0 $1", "x", "y"}, "x y\n"},
		"any other word is a program, found as PATH has it": {[]string{"echo", "hello"}, "hello\n"},
		"any other path is a program":                       {[]string{"/bin/echo", "hello"}, "hello\n"},
		"a program's own options stay its own":              {[]string{"env", "-i", "/bin/echo", "x"}, "x\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, err := entrypoint(t, tc.args...).Output()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(stdout)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Jenkins keeps the container alive with cat, and ends it by closing its standard input.
func TestEntrypointKeepsStandardInput(t *testing.T) {
	t.Parallel()
	cmd := entrypoint(t, "cat")
	cmd.Stdin = strings.NewReader("as it came")
	stdout, err := cmd.Output()
	if err != nil || string(stdout) != "as it came" {
		t.Errorf("cat gave %q, %v", stdout, err)
	}
}

func TestEntrypointPassesTheExitCodeOn(t *testing.T) {
	t.Parallel()
	for code, args := range map[int][]string{
		3:   {"sh", "-c", "exit 3"},
		4:   {"revoke", "exit", "4"},
		127: {"no-such-program"},
	} {
		cmd := entrypoint(t, args...)
		_ = cmd.Run()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("%q: exit code %d, want %d", args, got, code)
		}
	}
}

// The program must be process 1 itself: a shell between would swallow the runner's SIGTERM, and the cleanup with it.
func TestEntrypointReplacesItself(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"revoke", "pid"}, {"sh", "-c", "echo $$"}} {
		cmd := entrypoint(t, args...)
		var stdout bytes.Buffer
		cmd.Stdout = &stdout
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		var pid int
		if _, err := fmt.Sscan(stdout.String(), &pid); err != nil || pid != cmd.Process.Pid {
			t.Errorf("%q runs as process %q, the entrypoint was %d", args, stdout.String(), cmd.Process.Pid)
		}
	}
}

// entrypoint returns the command that runs ./entrypoint as if it lay next to a stub of kubemint, which is not on PATH.
// Links, not copies: a file that was just written cannot be executed while another test forks (https://go.dev/issue/22315).
func entrypoint(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	dir := t.TempDir()
	for _, target := range []string{"entrypoint", "testdata/entrypoint/kubemint"} {
		target, err := filepath.Abs(target)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(dir, filepath.Base(target))); err != nil {
			t.Fatal(err)
		}
	}
	return exec.CommandContext(t.Context(), filepath.Join(dir, "entrypoint"), args...)
}
