package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/command/process"
	"github.com/kubemint/kubemint/internal/problem"
)

// The exit codes of exec that are not the command's own: those of env, nice and nohup (POSIX).
const (
	exitOurs       = 125 // kubemint itself failed; its own code is in the message
	exitCannotRun  = 126
	exitNotFound   = 127
	exitSignalBase = 128
)

// exitError carries the exit code of exec past [problem.ExitCode]. Its message may be empty: the command has spoken.
type exitError struct {
	code int
	error
}

// exec mints into a private directory, runs the command with KUBECONFIG set, renews the token while it runs, and revokes
// afterwards whatever happened.
func (r *run) exec(ctx context.Context, command []string) error {
	code, err := r.execute(ctx, command)
	if own := problem.ExitCode(err); own > exitSignalBase {
		code = own // interrupted before the command ran
	} else if err != nil && code == 0 {
		code = exitOurs
		r.log.Printf("kubemint exec failed (code %d)", problem.ExitCode(err))
	}
	if code == 0 && err == nil {
		return nil
	}
	return &exitError{code, err}
}

func (r *run) execute(ctx context.Context, command []string) (code int, err error) {
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 {
		return 0, problem.Newf(problem.Config, "run exec", "no command is given").Hint("write kubemint exec -- COMMAND [ARG…]")
	}
	program, err := r.lookPath(command[0])
	if err != nil {
		return notRunnable(command[0], err)
	}
	if err := r.refuseExposed(); err != nil {
		return 0, err
	}
	m, err := r.mintPrivately(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, m.end(ctx)) }()

	// From here on a signal is the command's affair: it decides how to end, and the token lives until it has.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	m.shared.Store(true)
	renewed := make(chan struct{})
	go func() { defer close(renewed); m.renew(running) }()
	code, err = m.child(ctx, program, command)
	stop()
	<-renewed
	return code, err
}

// refuseExposed refuses a run whose environment is lost, and warns where the command will be able to read it: the run goes on
// then, since every other step of the job can read its inputs too.
func (r *run) refuseExposed() error {
	switch exposed := r.process.Exposed; {
	case errors.Is(exposed, process.ErrLost):
		return problem.New(problem.Config, "hide the inputs from the command", exposed,
			"if KUBEMINT_HANDOVER is set in this job's environment, remove it: kubemint exec uses it for itself")
	case exposed != nil:
		why := strings.ReplaceAll(exposed.Error(), "\n", "; ")
		r.log.Warnf("the command may be able to read the inputs in /proc: %s", why)
	}
	return nil
}

// child runs the command with our own standard streams, hands it every signal that we get, and returns its exit code.
func (m *minting) child(ctx context.Context, program string, command []string) (int, error) {
	cmd := &exec.Cmd{
		Path: program, Args: command, Dir: m.process.Dir, Env: m.childEnv(),
		Stdin: m.process.Stdin, Stdout: m.childStdout,
		Stderr: m.process.Stderr, //nolint:forbidigo // the command's own
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded(m.process.Stdin)...)
	defer signal.Stop(signals)
	if err := context.Cause(ctx); err != nil { // a signal that came before there was anybody to hand it to
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return notRunnable(command[0], err)
	}
	defer process.Reap(cmd.Process.Pid)()
	defer m.removeLeft(context.WithoutCancel(ctx))()
	err := waitForwarding(cmd, signals)
	if code, ok := signaled(cmd); ok {
		return code, nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 0, problem.New(problem.Mint, "run "+command[0], err)
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

func notRunnable(name string, err error) (int, error) {
	p := problem.New(problem.Config, "run "+name, cause(err))
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return exitNotFound, p
	}
	return exitCannotRun, p
}

// lookPath finds the command as a shell would, by the PATH that this process was given.
func (r *run) lookPath(name string) (string, error) {
	if filepath.Base(name) != name { // it has a separator, of which Windows has two
		return exec.LookPath(r.under(name))
	}
	for _, dir := range filepath.SplitList(r.getenv("PATH")) {
		if path, err := exec.LookPath(filepath.Join(r.under(dir), name)); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

func (r *run) under(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.process.Dir, path)
}

// inCluster are the variables by which a client finds the API server from inside a pod, and then takes the pod's own
// ServiceAccount.
var inCluster = []string{"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}

// childEnv is our environment without the inputs, some of which are secret, and with the new credential in place of the
// source's.
func (m *minting) childEnv() []string {
	var env []string
	pod := false
	for _, entry := range m.process.Environ {
		name, _, _ := strings.Cut(entry, "=")
		name = variable(name)
		switch {
		case strings.HasPrefix(name, "KUBEMINT_"), strings.HasPrefix(name, "INPUT_"), name == "KUBECONFIG", name == "KUBE_CONFIG_PATH":
		case slices.Contains(inCluster, name):
			pod = true
		case slices.Contains(m.source.Secrets, name):
			m.log.Printf("note: removed %s from the command's environment: it belongs to the source credential", name)
		default:
			env = append(env, entry)
		}
	}
	if pod {
		m.log.Printf("note: removed %s from the command's environment: "+
			"with them it could act as the pod's own ServiceAccount", strings.Join(inCluster, " and "))
	}
	m.notePodToken()
	return append(env, "KUBECONFIG="+m.output.path, "KUBE_CONFIG_PATH="+m.output.path)
}

// renewAt is the part of the lifetime after which the next token is minted.
const renewAt = 0.8

// shortestPause keeps a server that says its tokens live for a moment from being asked for one after the other.
const shortestPause = 10 * time.Second

// renew replaces the token file and the kubeconfig before their token expires, for as long as ctx runs. client-go reads the
// token file again within a minute (transport.NewCachedFileTokenSource). A failure is tried again, and reported, until the token expires.
func (m *minting) renew(ctx context.Context) {
	for {
		lifetime := m.minted.ExpiresAt.Sub(m.minted.Claims.IssuedAt) // both by the API server's clock
		pause := max(time.Duration(float64(lifetime)*renewAt), shortestPause)
		if m.process.RenewAfter > 0 {
			pause = m.process.RenewAfter
		}
		for wait := time.Second; !slept(ctx, pause); wait = min(2*wait, time.Minute) {
			err := m.renewOnce(ctx)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return
			}
			m.log.Warnf("the token is not renewed, and the one in use expires %s: %s", m.minted.ExpiresAt.Format(time.RFC3339), err)
			pause = wait
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// slept waits, and says whether ctx has ended meanwhile.
func slept(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(pause):
		return false
	}
}

// renewWithin bounds one attempt: the client itself tries a transient fault again for as long as it may.
const renewWithin = 20 * time.Second

func (m *minting) renewOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(renewWithin, m.cfg.Result.Timeout))
	defer cancel()
	if err := m.mintToken(ctx); err != nil {
		return err
	}
	data, _, err := m.render()
	if err != nil {
		return err
	}
	if err := m.writeCredential(data); err != nil {
		return err
	}
	m.output.receipt.TokenHash, m.output.receipt.ExpiresAt = m.minted.Token.Hash(), m.expiry()
	if err := m.saveReceipt(); err != nil {
		return err
	}
	m.log.Debugf("renewed the token: expires %s, id %s", m.expiry(), m.minted.Claims.ID)
	if err := m.extendLease(ctx); err != nil {
		m.log.Warnf("the token is renewed, and the expiry of its lease is not moved along: %s", err)
	}
	return nil
}
