package command

import (
	"context"
	"errors"
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
func runExec(ctx context.Context, s session.Session, words []string) error {
	code, err := execute(ctx, s, words)
	return endWith(s, "exec", code, err)
}

// endWith ends with the code of the command, or with the one that says that kubemint itself failed.
func endWith(s session.Session, verb string, code int, err error) error {
	if own := problem.ExitCode(err); own > child.ExitSignalBase {
		code = own // interrupted before the command ran
	} else if err != nil && code == 0 {
		code = child.ExitOurs
		s.Log.Printf("kubemint %s failed (code %d)", verb, problem.ExitCode(err))
	}
	if code == 0 && err == nil {
		return nil
	}
	return &exitError{code, err}
}

func execute(ctx context.Context, s session.Session, words []string) (code int, err error) {
	s, command, code, err := prepareCommand(s, "exec", words)
	if err != nil {
		return code, err
	}
	if err := refuseForExec(s, "exec"); err != nil {
		return 0, err
	}
	return inPrivate(s, func(dir *private.Dir) (int, error) {
		return mintAndRun(ctx, s, dir, command, nil)
	})
}

// prepareCommand finds the command that exec or learn runs, and reads the inputs. The code is that
// of a command that cannot be run.
func prepareCommand(
	s session.Session, verb string, words []string,
) (session.Session, child.Command, int, error) {
	if len(words) == 0 {
		return s, child.Command{}, 0, problem.Newf(problem.Config, "run "+verb, "no command is given").
			Hint("write kubemint %s -- COMMAND [ARG…]", verb)
	}
	program, err := child.Find(s, words[0])
	if err != nil {
		code, err := child.Refuse(words[0], err)
		return s, child.Command{}, code, err
	}
	if err := refuseExposed(s); err != nil {
		return s, child.Command{}, 0, err
	}
	// Standard output is the command's, so the platform's commands (the mask) go to standard error:
	// the runner reads both.
	s.Stdout.MoveTo(s.Process.Stderr) //nolint:forbidigo // for the platform's commands
	s, err = s.Load()
	return s, child.Command{Program: program, Words: words}, 0, err
}

// inPrivate calls use with a private directory, which is gone afterwards.
func inPrivate(s session.Session, use func(dir *private.Dir) (int, error)) (code int, err error) {
	dir, err := private.Make(privateBases(s)...)
	if err != nil {
		return 0, problem.New(problem.Config, "make a private directory", output.Cause(err),
			"exec keeps the credential in /dev/shm or in $TMPDIR: this step must be able to write to one of them")
	}
	defer func() { err = errors.Join(err, removePrivate(dir)) }()
	return use(dir)
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

// detour gives the command another kubeconfig than that of the minted credential, until it is
// closed.
type detour interface {
	startDeclared(
		ctx context.Context, s session.Session, job mint.Job, to deliver.Directory,
	) (path string, err error)
	close()
}

// mintAndRun mints into the directory and runs the command with the credential. by may be nil.
func mintAndRun(
	ctx context.Context, s session.Session, dir *private.Dir, command child.Command, by detour,
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

	path := to.Path()
	if by != nil {
		if path, err = by.startDeclared(limited, s, job, to); err != nil {
			return 0, errors.Join(err, minted.End(ctx))
		}
		defer by.close()
	}
	// From here on a signal is the command's affair: it decides how to end, and the token lives until
	// it has.
	s.Stdout.Share()
	renewing := startRenewing(context.WithoutCancel(ctx), s, minted)
	code, err = child.Run(ctx, s, command, child.Env(s, from, path), removed)
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
			"if KUBEMINT_HANDOVER is set in this job's environment, remove it: kubemint uses it for itself")
	case exposed != nil:
		why := strings.ReplaceAll(exposed.Error(), "\n", "; ")
		s.Log.Warnf("the command may be able to read the inputs in /proc: %s", why)
	}
	return nil
}

// refuseForExec refuses the inputs that have no meaning for exec, so that none is ignored.
func refuseForExec(s session.Session, verb string) error {
	result := s.Config.Result
	token := s.Config.Token
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
				problem.Config, "input "+input.name, "has no meaning for kubemint %s: %s", verb, input.why,
			)
			errs = append(errs, err.Hint("leave it out"))
		}
	}
	return errors.Join(errs...)
}
