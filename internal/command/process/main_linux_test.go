package process_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/kubemint/kubemint/internal/command/process"
)

// TestMain is also the program that the tests start, which has to be a process of its own.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) > 2 && os.Args[2] == "report":
		report()
	case len(os.Args) > 2 && os.Args[2] == "reap":
		reapAlways()
	default:
		os.Exit(m.Run())
	}
}

// report conceals and prints what is seen afterwards, each part on a line of its own.
func report() {
	environ, err := process.Conceal(process.Start{Args: os.Args, Environ: os.Environ(), Clearenv: os.Clearenv, Setenv: os.Setenv})
	fmt.Printf("pid=%d\nlost=%t\nerr=%q\n", os.Getpid(), errors.Is(err, process.ErrLost), fmt.Sprint(err))
	fmt.Printf("args=%q\nenviron=%q\nos=%q\n", os.Args[1:], environ, os.Environ())
	shown, _ := os.ReadFile("/proc/self/environ")
	dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	fmt.Printf("shown=%q\ndumpable=%d\n", shown, dumpable)
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		if target, _ := os.Readlink("/proc/self/fd/" + entry.Name()); strings.HasPrefix(target, "/memfd:") {
			fmt.Println("left=" + target)
		}
	}
	comm, _ := os.ReadFile("/proc/self/comm")
	fmt.Printf("comm=%q\n", comm)
}

// seen returns what report prints, by name. The script runs the program as "$@".
func seen(t *testing.T, environ []string, script string, args ...string) map[string]string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "/bin/sh", append([]string{"-c", script, "sh", program}, args...)...)
	command.Env = environ
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s%s", err, out, &stderr)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		all[name] = value
	}
	return all
}

var given = []string{
	"PWD=/", "KUBEMINT_KUBECONFIG=canary: {\n}\n", "EMPTY=", "EQUALS=a=b==", "UTF8=ä€\xff", "SPACE= \t ", "GODEBUG=http2client=0",
	"AWS_SECRET_ACCESS_KEY=canary", "LONG=" + strings.Repeat("x", 100_000), "LONGER=" + strings.Repeat("y", 100_000),
}

func TestConceal(t *testing.T) {
	t.Parallel()
	got := seen(t, given, `echo before=$$; exec "$@"`, "exec", "report", "--", "-x", "", "a b")
	for name, want := range map[string]string{
		"pid": got["before"], "lost": "false", "err": `"<nil>"`, "dumpable": "0", "left": "",
		"args": fmt.Sprintf("%q", []string{"exec", "report", "--", "-x", "", "a b"}),
		"comm": strconv.Quote("process.test\n"),
	} {
		if got[name] != want {
			t.Errorf("%s is %s, not %s", name, got[name], want)
		}
	}
	// The shell may add variables of its own; it takes none away.
	without := seen(t, given, `exec "$@"`, "other", "report")
	if without["environ"] != got["environ"] || without["environ"] == "" || !strings.Contains(without["shown"], "canary") {
		t.Errorf("another environ than without: %s", cmp.Diff(without["environ"], got["environ"]))
	}
	if sorted(without["os"]) != sorted(got["os"]) {
		t.Errorf("libraries see another environment: %s", cmp.Diff(without["os"], got["os"]))
	}
	if shown := got["shown"]; strings.Contains(shown, "canary") || !strings.Contains(shown, `\x00GODEBUG=http2client=0\x00`) ||
		strings.Count(shown, "=") != 3 {
		t.Errorf("/proc shows %s", shown)
	}
}

// sorted makes two printed lists the same that differ in their order.
func sorted(list string) string {
	parts := strings.Split(list, `" "`)
	slices.Sort(parts)
	return strings.Join(parts, `" "`)
}

func TestConceal_EmptyEnvironment(t *testing.T) {
	t.Parallel()
	if got := seen(t, nil, `exec env -i "$@"`, "exec", "report"); got["environ"] != "[]" || got["os"] != "[]" || got["err"] != `"<nil>"` {
		t.Error(got)
	}
}

// What runs no command stays as it was started.
func TestConceal_OtherCommands(t *testing.T) {
	t.Parallel()
	if got := seen(t, given, `exec "$@"`, "mint", "report"); got["dumpable"] != "1" || got["err"] != `"<nil>"` {
		t.Error(got)
	}
}

// A memory file takes no bytes where a file may have none: then the run goes on, and says so.
func TestConceal_Fails(t *testing.T) {
	t.Parallel()
	got := seen(t, given, `ulimit -f 0; exec "$@"`, "exec", "report")
	if !strings.Contains(got["environ"], "canary") || got["lost"] != "false" || got["dumpable"] != "0" ||
		!strings.Contains(got["err"], "restart without the environment: write memory: file too large") {
		t.Error(got)
	}
}

// A marker that no restart has set: what it names is not read as an environment, and the program is not
// restarted forever.
func TestConceal_ForgedMarker(t *testing.T) {
	t.Parallel()
	for descriptor, want := range map[string]string{
		"0": "descriptor 0 is not the sealed memory file", "3": "descriptor 3 is not the sealed memory file",
		"999": "descriptor 999 is not", "-1": "not a number", "x": "not a number", "": "not a number", "4294967296": "not a number",
	} {
		got := seen(t, append(slices.Clone(given), "KUBEMINT_HANDOVER="+descriptor), `exec "$@" 3</dev/null`, "exec", "report")
		if got["lost"] != "true" || got["environ"] != "[]" || !strings.Contains(got["err"], want) {
			t.Errorf("%q: %v", descriptor, got)
		}
	}
}

// reapAlways makes this process a subreaper, and runs commands that leave orphans: none may stay as a zombie,
// and no exit code may get lost.
func reapAlways() {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Println("err=" + err.Error())
		return
	}
	wrong := 0
	for i := range 100 {
		// The orphans end before, with and after the command.
		command := exec.Command("/bin/sh", "-c", `for i in 1 2 3 4 5; do (true &) ; done; exit `+strconv.Itoa(i))
		if err := command.Start(); err != nil {
			fmt.Println("err=" + err.Error())
			return
		}
		stop := process.Reap(command.Process.Pid)
		_ = command.Wait()
		if command.ProcessState.ExitCode() != i {
			wrong++
		}
		stop()
	}
	// One that ends while nothing else happens: the command sees whether it stays.
	command := exec.Command("/bin/sh", "-c", `(sleep 0.1 &)
		for try in $(seq 100); do
			grep -qs '^PPid:.'"$PPID"'$' $(grep -ls '^Name:.sleep$' /proc/[0-9]*/status) /dev/null || exit 0
			sleep 0.05
		done
		exit 1`)
	if err := command.Start(); err != nil {
		fmt.Println("err=" + err.Error())
		return
	}
	stop := process.Reap(command.Process.Pid)
	_ = command.Wait()
	stop()
	fmt.Printf("wrong=%d\nzombie=%d\n", wrong, command.ProcessState.ExitCode())
}

func TestReap(t *testing.T) {
	t.Parallel()
	if got := seen(t, os.Environ(), `exec "$@"`, "x", "reap"); got["wrong"] != "0" || got["zombie"] != "0" {
		t.Error(got)
	}
}
