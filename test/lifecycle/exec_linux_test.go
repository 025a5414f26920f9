package lifecycle

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/internal/command/process"
	"github.com/kubemint/kubemint/test/harness"
)

// nobody is a user without rights, as which a test that runs as root can run a program.
const nobody = 65534

// asUser makes a command another user's, with a copy of the program that this user can reach.
func asUser(t *testing.T, command *exec.Cmd, user uint32) {
	t.Helper()
	if int(user) == os.Getuid() {
		return
	}
	dir, err := os.MkdirTemp("", "kubemint-test-") //nolint:usetesting // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program, err := os.Open(command.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	target, err := os.OpenFile(filepath.Join(dir, "kubemint"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(target, program); err != nil {
		t.Fatal(err)
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	command.Path, command.Dir = target.Name(), dir
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
}

// The command of exec or learn looks for the inputs everywhere in /proc: its parent's environment, its memory, process
// 1, all others.
func TestExec_CommandReadsEnvironments(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	admin, err := cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const look = `
		echo "id: $(id -u)"
		echo "in: $(grep -al "canary-o[f]-$CANARY" /proc/[0-9]*/environ /proc/[0-9]*/task/*/environ 2>/dev/null | tr '\n' ' ')"
		echo "parent: $(tr '\0' '\n' </proc/$PPID/environ 2>/dev/null | grep -c canary)"
		echo "first: $(tr '\0' '\n' </proc/1/environ 2>/dev/null | grep -c "canary-o[f]-$CANARY")"
		echo "memory: $(head -c 1 /proc/$PPID/mem 2>&1 >/dev/null | grep -c 'Permission denied')"
		echo "parent's files: $(ls -l /proc/$PPID/fd 2>/dev/null | grep -c memfd)"
		echo "own files: $(ls -l /proc/$$/fd | grep -Ec 'memfd|kubemint')"
		echo "pass: $PASS"
		exit 7`
	users := map[string]uint32{"this user": uint32(os.Getuid())}
	if os.Getuid() == 0 { // else this user is one without rights
		users["a user without rights"] = nobody
	}
	verbs := []string{"exec", "learn"}
	for i := range len(verbs) * len(users) {
		verb, name := verbs[i%len(verbs)], slices.Sorted(maps.Keys(users))[i/len(verbs)]
		user := users[name]
		t.Run(verb+", "+name, func(t *testing.T) {
			t.Parallel()
			canary := fmt.Sprintf("canary-of-%s-%d", verb, user) // other tests run meanwhile
			command, stderr := harness.Command(t, t.TempDir(), []string{
				"PATH=" + os.Getenv("PATH"), "PASS=on", "CANARY=" + strings.TrimPrefix(canary, "canary-of-"), "KUBEMINT_KUBECONFIG=" + string(admin) + "# " + canary + "\n",
				"KUBEMINT_NAMESPACE=" + namespace, fmt.Sprintf("KUBEMINT_SERVICE_ACCOUNT=look-%s-%d", verb, user), "KUBEMINT_RULES=list pods",
				"KUBEMINT_CONTEXT_NAME=" + canary, "INPUT_PASSWORD=" + canary,
			}, verb, "--", "sh", "-c", look)
			asUser(t, command, user)
			var stdout bytes.Buffer
			command.Stdout = &stdout
			_ = command.Run()
			if code := command.ProcessState.ExitCode(); code != 7 {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			want := fmt.Sprintf("id: %d\nin: \nparent: 0\nfirst: 0\n", user)
			if !strings.HasPrefix(stdout.String(), want) {
				t.Errorf("the command sees:\n%s", &stdout)
			}
			harness.AssertSays(t, stdout.String(), `^parent's files: 0$`, `^own files: 0$`, `^pass: on$`)
			if user != 0 { // root with CAP_SYS_PTRACE can read the memory of any process
				harness.AssertSays(t, stdout.String(), `^memory: 1$`)
			}
			only := map[string]string{
				"exec":  "warning: the runner may do anything",
				"learn": "warning: the command sent no request through kubemint",
			}[verb]
			if strings.Count(stderr.String(), "warning") != 1 || !strings.Contains(stderr.String(), only) {
				t.Error(stderr)
			}
		})
	}
}

// Where the kernel gives what it takes, or the environment is lost, that is said; the second ends the run
// before anything is made.
func TestExec_EnvironmentNotHidden(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	admin, err := cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run := func(exposed error) (code int, stdout, stderr bytes.Buffer) {
		code = command.Main(t.Context(), command.Process{
			Args: []string{"kubemint", "exec", "--", "echo", "ran"},
			Environ: []string{
				"PATH=" + os.Getenv("PATH"), "KUBEMINT_KUBECONFIG=" + string(admin), "KUBEMINT_NAMESPACE=" + namespace,
				"KUBEMINT_SERVICE_ACCOUNT=shown",
			},
			Exposed: exposed, Dir: t.TempDir(), Streams: command.Streams{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr},
		})
		return code, stdout, stderr
	}
	code, stdout, stderr := run(fmt.Errorf("restart: %w", syscall.ENOSYS))
	if code != 0 || stdout.String() != "ran\n" {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
	harness.AssertSays(t, stderr.String(), `^warning: the command may be able to read the inputs in /proc: restart: function not implemented$`)

	code, stdout, stderr = run(fmt.Errorf("%w: descriptor 3 is closed", process.ErrLost))
	if code != 125 || stdout.Len() > 0 {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
	harness.AssertSays(t, stderr.String(),
		`^error: hide the inputs from the command: the environment did not arrive in the restarted process: descriptor 3 is closed$`,
		`^hint: if KUBEMINT_HANDOVER is set in this job's environment, remove it: kubemint uses it for itself$`)
}

// As process 1 of a container exec inherits every orphan of its command: none stays as a zombie, and the
// command's exit code, or its signal, is the one that counts.
func TestExec_Process1(t *testing.T) {
	t.Parallel()
	namespaces := []string{"--pid", "--fork", "--mount-proc"}
	if os.Getuid() != 0 {
		namespaces = append(namespaces, "--user", "--map-root-user")
	}
	cluster, namespace := harness.NewNamespace(t)
	admin, err := cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		command string
		code    int
		said    string
	}{
		"orphans while it runs": {`
			for i in 1 2 3 4 5 6 7 8; do (sleep 0.2 &); done
			for try in $(seq 100); do
				grep -qs '^Name:.sleep$' /proc/[0-9]*/status || break
				sleep 0.1
			done
			echo "parent $PPID; zombies $(grep -ls '^State:.Z' /proc/[0-9]*/status | wc -l); after try $((try < 100))"
			exit 7`, 7, `^parent 1; zombies 0; after try 1$`},
		"orphans that end with it":   {`for i in $(seq 200); do (true &); done; exit 9`, 9, ``},
		"orphans that outlive it":    {`for i in 1 2 3; do (sleep 60 &); done; exit 3`, 3, ``},
		"a signal ends it":           {`(true &); kill -9 $$`, 137, ``},
		"an orphan that is signaled": {`(sleep 60 & kill -9 $!); exit 4`, 4, ``},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			account := strings.ReplaceAll(name, " ", "-")
			inner, stderr := harness.Command(t, t.TempDir(), []string{
				"PATH=" + os.Getenv("PATH"), "KUBEMINT_KUBECONFIG=" + string(admin), "KUBEMINT_NAMESPACE=" + namespace,
				"KUBEMINT_SERVICE_ACCOUNT=" + account,
			})
			command := exec.CommandContext(t.Context(), "unshare",
				append(slices.Clone(namespaces), inner.Path, "exec", "--", "sh", "-c", tt.command)...)
			command.Env, command.Dir, command.Stderr = inner.Env, inner.Dir, stderr
			var stdout bytes.Buffer
			command.Stdout = &stdout
			_ = command.Run()
			if code := command.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, not %d: %s", code, tt.code, stderr)
			}
			if tt.said != "" {
				harness.AssertSays(t, stdout.String(), tt.said)
			}
		})
	}
}

// A signal that arrives while the program restarts ends it like any other one: there is nothing to take back
// yet, or it is taken back. None gets lost.
func TestExec_SignalWhileItRestarts(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	for step := range 60 {
		v := l.NewRun(t, fmt.Sprintf("restarts-%d", step), 0, false)
		command, stderr := harness.Command(t, v.Dir, append(v.Env, "PATH="+os.Getenv("PATH")), "exec", "--", "sleep", "60")
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(step) * 200 * time.Microsecond) // to hit each part of the start
		_ = command.Process.Signal(syscall.SIGTERM)
		hung := time.AfterFunc(harness.Patience, func() { _ = command.Process.Kill() })
		_ = command.Wait()
		hung.Stop()
		status, _ := command.ProcessState.Sys().(syscall.WaitStatus)
		if code := status.ExitStatus(); code != 143 && status.Signal() != syscall.SIGTERM {
			t.Errorf("after %d times 0.2 ms: exit code %d, %v: %s", step, code, status, stderr)
		}
		v.AssertNothingLeft(t)
	}
}
