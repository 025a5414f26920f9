package app

import (
	"context"
	"slices"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke/prune"
)

// prune deletes the access of this ServiceAccount that the configuration does not declare any more,
// wherever it is, and the account that was there before this one. With --all it deletes everything that
// kubemint made for the account. What is another owner's stays, and is named; what a live credential
// depends on holds it back, but for --all.
func (r *run) prune(ctx context.Context, given options) error {
	const op = "prune access"
	if r.cfg.Access.Ephemeral {
		return problem.Newf(problem.Config, op,
			"an ephemeral identity's access is deleted at revoke, and by kubemint sweep").
			Hint("leave `ephemeral` out to prune the access of `service_account`")
	}
	as, err := r.connectRunner(ctx)
	if err != nil {
		return err
	}
	defer as.client.Close()
	p := &prune.Pruning{
		Client: as.client, Desired: access.Desire(as.declared, r.marks()),
		Log: r.log, Now: r.now, DryRun: given.dryRun || r.cfg.Result.DryRun,
		Gate: func(of access.Desired, declared string) prune.Gate {
			return r.newGate(as.client, of, declared, "run it again when that run has ended")
		},
	}
	if given.all {
		return p.All(ctx)
	}
	if !as.declared.Grants() {
		return problem.Newf(problem.Config, op,
			"neither `role` nor `rules` is given: that says nothing about access, and all would be deleted").
			Hint("give the `role` and `rules` that the pipeline has").
			Hint("or delete everything that kubemint made for %s with  kubemint prune --all",
				as.declared.ServiceAccount)
	}
	return p.Undeclared(ctx)
}

// reportWithin is how long a run that is done waits for the answer to a question that nothing depends on.
const reportWithin = 2 * time.Second

// lookForMoved asks, beside the run, whether this job has left another ServiceAccount with access to the
// same places: the account has moved then, as where `namespace: a,b` became `b,a`. Only a run that makes
// its account asks, so that a steady one sends no request for it, and a job with two accounts is told once.
// report says it when the run is over.
func (m *minting) lookForMoved(ctx context.Context) (report func()) {
	made := func(change access.Change) bool {
		return change.Ref.Kind == "ServiceAccount" && change.Verb == access.Created
	}
	if m.desired.Ephemeral() || m.desired.Marks.Owner == "" || !slices.ContainsFunc(m.plan.Changes, made) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	found := make(chan []string, 1)
	go func() {
		warnings, err := prune.Predecessors(ctx, m.client, m.desired)
		if err != nil { // the right to list is one that a runner need not have
			m.log.Debugf("accounts that have moved are not looked for: %s", err)
		}
		found <- warnings
	}()
	return func() {
		defer cancel()
		select {
		case warnings := <-found:
			m.log.List("warning: ", warnings)
		case <-ctx.Done():
		case <-time.After(reportWithin):
		}
	}
}
