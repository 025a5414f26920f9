package command

import (
	"context"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/mint/entry"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke/prune"
)

// runPrune deletes the access of this ServiceAccount that the configuration does not declare any
// more, wherever it is, and the account that was there before this one. With --all it deletes
// everything that kubemint made for the account. What is another owner's stays, and is named; what
// a live credential depends on stays too, unless --all is given.
func runPrune(ctx context.Context, s session.Session, given options) error {
	const op = "prune access"
	if s.Config.Access.Ephemeral {
		return problem.Newf(problem.Config, op,
			"an ephemeral identity's access is deleted at revoke, and by kubemint sweep").
			Hint("leave `ephemeral` out to prune the access of `service_account`")
	}
	as, err := connectRunner(ctx, s)
	if err != nil {
		return err
	}
	defer as.api.Close()
	waiting := entry.Waiting{Timeout: s.Config.Result.Timeout, Now: s.Trace.Now, Log: s.Log}
	p := &prune.Pruning{
		Client: as.api, Desired: access.Desire(as.declared, s.Marks()),
		Log: s.Log, Now: s.Trace.Now, DryRun: given.dryRun || s.Config.Result.DryRun,
		Gate: func(of access.Desired, declared string) prune.Gate {
			return waiting.Gate(as.api, of, declared, "run it again when that run has ended")
		},
	}
	if given.all {
		return p.PruneAll(ctx)
	}
	if !as.declared.Grants() {
		return problem.Newf(problem.Config, op,
			"neither `role` nor `rules` is given: that says nothing about access, and all would be deleted").
			Hint("give the `role` and `rules` that the pipeline has").
			Hint("or delete everything that kubemint made for %s with  kubemint prune --all",
				as.declared.ServiceAccount)
	}
	return p.PruneUndeclared(ctx)
}
