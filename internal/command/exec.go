package command

import (
	"cmp"
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/command/child"
	"github.com/kubemint/kubemint/internal/command/process"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/mint"
	"github.com/kubemint/kubemint/internal/mint/deliver"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/private"
	"github.com/kubemint/kubemint/internal/problem"
)

// exitError carries the exit code of exec past [problem.ExitCode]. Its message may be empty: the
// command has spoken.
type exitError struct {
	code int
	error
}

// runExec mints into a private directory, runs the command with KUBECONFIG set, renews the token
// while it runs, and revokes afterwards whatever happened.
func runExec(ctx context.Context, s session.Session, command []string) error {
	code, err := execute(ctx, s, command)
	if own := problem.ExitCode(err); own > child.ExitSignalBase {
		code = own // interrupted before the command ran
	} else if err != nil && code == 0 {
		code = child.ExitOurs
		s.Log.Printf("kubemint exec failed (code %d)", problem.ExitCode(err))
	}
	if code == 0 && err == nil {
		return nil
	}
	return &exitError{code, err}
}

func execute(ctx context.Context, s session.Session, command []string) (code int, err error) {
	if len(command) == 0 {
		return 0, problem.Newf(problem.Config, "run exec", "no command is given").
			Hint("write kubemint exec -- COMMAND [ARG…]")
	}
	program, err := child.Find(s, command[0])
	if err != nil {
		return child.Refuse(command[0], err)
	}
	if err := refuseExposed(s); err != nil {
		return 0, err
	}
	// Standard output is the command's, so the platform's commands (the mask) go to standard error:
	// the runner reads both.
	s.Stdout.MoveTo(s.Process.Stderr) //nolint:forbidigo // for the platform's commands
	s, err = s.Load()
	if err == nil {
		err = refuseForExec(s)
	}
	if err != nil {
		return 0, err
	}
	dir, err := private.Make(privateBases(s)...)
	if err != nil {
		return 0, problem.New(problem.Config, "make a private directory", output.Cause(err),
			"exec keeps the credential in /dev/shm or in $TMPDIR: this step must be able to write to one of them")
	}
	defer func() { err = errors.Join(err, removePrivate(dir)) }()
	return mintAndRun(ctx, s, dir, child.Command{Program: program, Words: command})
}

// removePrivate removes exec's directory, whatever becomes of the lease: no live token must lie
// there, and the lease's error has the command that ends it.
func removePrivate(dir *private.Dir) error {
	if err := dir.Remove(); err != nil {
		return problem.New(
			problem.Revoke, "delete "+dir.Path, output.Cause(err), "it holds a token: delete it yourself",
		)
	}
	return nil
}

// mintAndRun mints into the directory and runs the command with the credential.
func mintAndRun(
	ctx context.Context, s session.Session, dir *private.Dir, command child.Command,
) (code int, err error) {
	to := deliver.Directory{Dir: dir.Path}
	limited, cancel := context.WithTimeout(ctx, s.Config.Result.Timeout)
	defer cancel()
	job, from, record, err := prepareMint(s)
	if err != nil {
		return 0, err
	}
	record.Output = to.Path()
	if job, err = connectMint(limited, s, job, from); err != nil {
		return 0, err
	}
	defer job.Server.Close()
	minted, err := mint.Run(ctx, job, to, record)
	if err != nil {
		return 0, err
	}
	declared := job.Desired.Access
	declared.ServiceAccount.Name = record.Account.Name // of an ephemeral one, the prefix
	removed := func(ctx context.Context) func() {
		return findLeftovers(s, runner{job.Server, from, declared}).Start(ctx)
	}

	// From here on a signal is the command's affair: it decides how to end, and the token lives until
	// it has.
	s.Stdout.Share()
	renewing := startRenewing(context.WithoutCancel(ctx), s, minted)
	code, err = child.Run(ctx, s, command, child.Env(s, from, to.Path()), removed)
	return code, errors.Join(err, renewing.stop().End(ctx))
}

// renewal is the credential of a running command, which is replaced before it expires.
type renewal struct {
	cancel  context.CancelFunc
	current chan *mint.Credential // one, when it is over
}

// stop ends the renewal, and returns the credential in use.
func (r renewal) stop() *mint.Credential {
	r.cancel()
	return <-r.current
}

func startRenewing(ctx context.Context, s session.Session, minted *mint.Credential) renewal {
	ctx, cancel := context.WithCancel(ctx)
	r := renewal{cancel: cancel, current: make(chan *mint.Credential, 1)}
	go func() { r.current <- renew(ctx, s, minted) }()
	return r
}

const (
	// renewAt is the part of the lifetime after which the next token is minted.
	renewAt = 0.8
	// shortestPause keeps a server that says its tokens live for a moment from being asked for one
	// after the other.
	shortestPause = 10 * time.Second
	// renewWithin bounds one attempt: the client itself tries a transient fault again for as long as
	// it may.
	renewWithin = 20 * time.Second
)

// renew replaces the credential before it expires, for as long as ctx runs, and returns the last
// one. A failure is tried again, and reported, until the token expires.
func renew(ctx context.Context, s session.Session, current *mint.Credential) *mint.Credential {
	for !slept(ctx, pauseBefore(s, current)) {
		for wait := time.Second; ; wait = min(2*wait, time.Minute) {
			next, err := renewOnce(ctx, s, current)
			current = next
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return current
			}
			s.Log.Warnf("the token is not renewed, and the one in use expires %s: %s",
				current.Minted().ExpiresAt.Format(time.RFC3339), err)
			if slept(ctx, wait) {
				return current
			}
		}
	}
	return current
}

func pauseBefore(s session.Session, current *mint.Credential) time.Duration {
	if s.Process.RenewAfter > 0 {
		return s.Process.RenewAfter
	}
	minted := current.Minted()
	lifetime := minted.ExpiresAt.Sub(minted.Claims.IssuedAt) // both by the API server's clock
	return max(time.Duration(float64(lifetime)*renewAt), shortestPause)
}

func renewOnce(
	ctx context.Context, s session.Session, current *mint.Credential,
) (*mint.Credential, error) {
	ctx, cancel := context.WithTimeout(ctx, min(renewWithin, s.Config.Result.Timeout))
	defer cancel()
	return current.Renew(ctx)
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

// refuseExposed refuses a run whose environment is lost, and warns where the command will be able
// to read it: the run goes on then, since every other step of the job can read its inputs too.
func refuseExposed(s session.Session) error {
	switch exposed := s.Process.Exposed; {
	case errors.Is(exposed, process.ErrLost):
		return problem.New(problem.Config, "hide the inputs from the command", exposed,
			"if KUBEMINT_HANDOVER is set in this job's environment, remove it: kubemint exec uses it for itself")
	case exposed != nil:
		why := strings.ReplaceAll(exposed.Error(), "\n", "; ")
		s.Log.Warnf("the command may be able to read the inputs in /proc: %s", why)
	}
	return nil
}

// refuseForExec refuses the inputs that have no meaning for exec, so that none is ignored.
func refuseForExec(s session.Session) error {
	result, token := s.Config.Result, s.Config.Token
	var errs []error
	for _, input := range []struct {
		given     bool
		name, why string
	}{
		{result.Output != "", "output", "the kubeconfig lies in a private directory while the command runs"},
		{result.DryRun, "dry_run", "there would be no credential for the command; see kubemint plan"},
		{result.SecretOutputs != nil && *result.SecretOutputs, "secret_outputs", "it publishes nothing"},
		{!result.ExportEnv, "export_env", "the command's environment is how the credential is handed over"},
		{!token.Revoke, "revoke", "the credential ends with the command"},
		{
			token.Lifetime.Permanent, "duration",
			"the credential ends with the command, so it cannot be permanent",
		},
	} {
		if input.given {
			err := problem.Newf(
				problem.Config, "input "+input.name, "has no meaning for kubemint exec: %s", input.why,
			)
			errs = append(errs, err.Hint("leave it out"))
		}
	}
	return errors.Join(errs...)
}

// privateBases are where private directories are made, best first: on tmpfs where there is one to
// write to, so that the token does not reach a disk.
func privateBases(s session.Session) []string {
	if s.Process.PrivateDir != "" {
		return []string{s.Process.PrivateDir}
	}
	temp := cmp.Or(s.Getenv("TMPDIR"), os.TempDir())
	if runtime.GOOS != "linux" {
		// on Windows /dev/shm would be in the drive's root, where anybody may make it
		return []string{temp}
	}
	return []string{"/dev/shm", temp}
}
