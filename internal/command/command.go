package command

import (
	"context"
	"errors"

	"github.com/kubemint/kubemint/internal/command/revocation"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/command/usage"
	"github.com/kubemint/kubemint/internal/problem"
)

// Process holds what main hands over.
type Process = session.Process

// Streams are the standard streams of a Process.
type Streams = session.Streams

// ForTests holds what only tests change in a Process.
type ForTests = session.ForTests

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
	switch call.Command {
	case "exec":
		return runExec(ctx, s, call.Arguments)
	case "revoke":
		return revocation.Run(ctx, s, revocation.Options{
			Wait: call.Has("wait"), Permanent: call.Has("permanent"),
		})
	case "rules":
		return runRules(ctx, s, call)
	case "learn":
		return runLearn(ctx, s, call)
	case "version":
		return s.Print("kubemint " + s.Process.Version)
	case "help":
		return s.Print(call.Help()...)
	}
	return runDeclared(ctx, s, call, readOptions(call))
}

func readOptions(call usage.Invocation) options {
	return options{
		dryRun:        call.Has("dry-run"),
		allNamespaces: call.Has("all-namespaces"), all: call.Has("all"), steady: call.Has("steady"),
		guard: call.Word("guard"), flags: call.Flags,
	}
}

// runDeclared runs a command that needs valid inputs, within their timeout.
func runDeclared(ctx context.Context, s session.Session, call usage.Invocation, given options) error {
	s, err := s.Load()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.Config.Result.Timeout)
	defer cancel()
	switch call.Command {
	case "sweep":
		return runSweep(ctx, s, given)
	case "prune":
		return runPrune(ctx, s, given)
	case "bootstrap":
		return runBootstrap(ctx, s, given, call.Has("check"))
	}
	return runMint(ctx, s, call.Command == "plan" || s.Config.Result.DryRun)
}
