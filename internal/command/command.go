package command

import (
	"context"
	"errors"

	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/command/usage"
	"github.com/kubemint/kubemint/internal/problem"
)

// Process is what main hands over.
type Process = session.Process

// Main runs the command that the arguments name, reports what failed, and returns the exit code.
func Main(ctx context.Context, p Process) int {
	s := session.New(p)
	err := dispatch(ctx, s)
	if exit, ok := errors.AsType[*exitError](err); ok {
		s.Log.ReportError(exit.error, s.Platform.Annotate)
		return exit.code
	}
	s.Log.ReportError(err, s.Platform.Annotate)
	return problem.ExitCode(err)
}

func dispatch(ctx context.Context, s session.Session) error {
	call, err := usage.Parse(s.Process.Args)
	if err != nil {
		return err
	}
	given := readOptions(call)
	switch call.Command {
	case "exec":
		return runExec(ctx, s, call.Arguments)
	case "revoke":
		return runRevoke(ctx, s, given)
	case "rules":
		return runRules(ctx, s, call)
	case "learn":
		return runLearn(ctx, s, call)
	case "version":
		return s.Print("kubemint " + s.Process.Version)
	case "help":
		return s.Print(call.Help()...)
	}
	return runDeclared(ctx, s, call.Command, given)
}

// options are the flags of a command.
type options struct {
	wait          bool                // revoke: prove that the token is dead
	permanent     bool                // revoke: delete a permanent token's Secret too
	dryRun        bool                // sweep, prune
	allNamespaces bool                // sweep
	all           bool                // prune
	steady        bool                // bootstrap
	guard         bool                // bootstrap
	flags         map[string][]string // bootstrap: those with values
}

func readOptions(call usage.Invocation) options {
	return options{
		wait: call.Has("wait"), permanent: call.Has("permanent"), dryRun: call.Has("dry-run"),
		allNamespaces: call.Has("all-namespaces"), all: call.Has("all"), steady: call.Has("steady"),
		guard: call.Has("guard"), flags: call.Flags,
	}
}

// runDeclared runs a command that needs valid inputs, within their timeout.
func runDeclared(ctx context.Context, s session.Session, name string, given options) error {
	s, err := s.Load()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Config.Result.Timeout)
	defer cancel()
	switch name {
	case "sweep":
		return runSweep(ctx, s, given)
	case "prune":
		return runPrune(ctx, s, given)
	case "bootstrap":
		return runBootstrap(s, given)
	}
	return runMint(ctx, s, name == "plan" || s.Config.Result.DryRun)
}
