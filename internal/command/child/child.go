package child

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/command/process"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source"
)

// Command is the command that exec runs.
type Command struct {
	Program string   // its path
	Words   []string // as they were given
}

// Run runs the command with our own standard streams, hands it every signal that we get, and
// returns its exit code. meanwhile starts work that goes on while the command runs, and returns a
// function that waits for it.
func Run(
	ctx context.Context, s session.Session, command Command, env []string,
	meanwhile func(context.Context) (wait func()),
) (int, error) {
	cmd := &exec.Cmd{
		Path: command.Program, Args: command.Words, Dir: s.Process.Dir, Env: env,
		Stdin:  s.Process.Stdin,
		Stdout: s.Process.Stdout, //nolint:forbidigo // the command's own
		Stderr: s.Process.Stderr, //nolint:forbidigo // the same
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwardedSignals(s.Process.Stdin)...)
	defer signal.Stop(signals)
	if err := context.Cause(ctx); err != nil { // a signal arrived before the command started
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return Refuse(command.Words[0], err)
	}
	defer process.Reap(cmd.Process.Pid)()
	defer meanwhile(context.WithoutCancel(ctx))()
	err := waitForwarding(cmd, signals)
	if code, ok := signalCode(cmd); ok {
		return code, nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 0, problem.New(problem.Mint, "run "+command.Words[0], err)
	}
	return 0, nil
}

// waitForwarding waits for the command, and hands it every signal meanwhile.
func waitForwarding(cmd *exec.Cmd, signals <-chan os.Signal) error {
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s)
			case <-done:
				return
			}
		}
	}()
	return cmd.Wait()
}

// Refuse returns the exit code of a command that cannot be started.
func Refuse(name string, err error) (int, error) {
	p := problem.New(problem.Config, "run "+name, output.Cause(err))
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return ExitNotFound, p
	}
	return ExitCannotRun, p
}

// Find finds the command as a shell would, by the PATH that this process was given.
func Find(s session.Session, name string) (string, error) {
	if filepath.Base(name) != name { // it has a path separator: Windows has two of them
		return exec.LookPath(under(s.Process.Dir, name))
	}
	for _, dir := range filepath.SplitList(s.Getenv("PATH")) {
		if path, err := exec.LookPath(filepath.Join(under(s.Process.Dir, dir), name)); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

// under completes a path by the working directory.
func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// podVariables tell a client inside a pod where the API server is. A client that finds them uses
// the pod's own ServiceAccount.
var podVariables = []string{"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}

// Env returns our environment without the inputs, since some are secret, and with the new
// credential in place of the source's.
func Env(s session.Session, from *source.Source, kubeconfig string) []string {
	var env []string
	pod := false
	for _, entry := range s.Process.Environ {
		name, _, _ := strings.Cut(entry, "=")
		name = session.NormalizeVariable(name)
		switch {
		case strings.HasPrefix(
			name, "KUBEMINT_",
		), strings.HasPrefix(name, "INPUT_"), name == "KUBECONFIG", name == "KUBE_CONFIG_PATH":
		case slices.Contains(podVariables, name):
			pod = true
		case slices.Contains(from.Secrets, name):
			s.Log.Printf(
				"note: removed %s from the command's environment: it belongs to the source credential", name,
			)
		default:
			env = append(env, entry)
		}
	}
	if pod {
		s.Log.Printf("note: removed %s from the command's environment: "+
			"with them it could act as the pod's own ServiceAccount", strings.Join(podVariables, " and "))
	}
	notePodToken(s)
	return append(env, "KUBECONFIG="+kubeconfig, "KUBE_CONFIG_PATH="+kubeconfig)
}

// notePodToken says that the command can read the token of the pod that it runs in: it is the same
// container and the same user, so nothing that kubemint does could hide the file.
func notePodToken(s session.Session) {
	path := filepath.Join(cmp.Or(s.Process.AccountDir, source.MountedAccount), "token")
	if _, err := output.Read(path); err != nil {
		return
	}
	s.Log.Printf("note: the command can read %s, the token of the pod's own ServiceAccount: "+
		"where it must not, mint in another container, as examples/tekton/split.yaml does", path)
}
