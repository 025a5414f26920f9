package mint

import (
	"context"
	"errors"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/client/review"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/mint/changes"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/deliver"
	"github.com/kubemint/kubemint/internal/mint/entry"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
)

// Plan reads, plans, has the API server say what it would answer, and prints: neither receipt nor
// lease, and no token.
func Plan(ctx context.Context, job Job, to deliver.File) error {
	if err := to.Platform.Ready(); err != nil {
		return err
	}
	with := newTools(job, to, nil)
	f, err := foresee(ctx, with)
	if err != nil {
		return err
	}
	if f.Plan, err = access.Diff(job.Desired, f.Observed); err != nil {
		return err
	}
	err = tryPlan(ctx, with, f.State)
	f.Plan = with.maker.Ledger.Replanned(f.Plan)
	warn(job, f.Plan, f.Observed)
	job.Log.ShowPlanned(f.Plan)
	if err != nil {
		return err
	}
	job.Log.Printf("dry run: nothing was changed and nothing minted")
	outcome, err := deliver.FormatChanges(f.Plan)
	if err != nil {
		return err
	}
	return to.Platform.Publish(
		platform.Result{Outputs: []platform.Output{{Name: "changes", Value: outcome}}},
	)
}

// foresee observes the cluster.
func foresee(ctx context.Context, with tools) (found, error) {
	job := with.job
	gate := with.waiting().ToMint(job.Server, job.Desired)
	// a plan has no lease; the one at the output is replaced
	with.entrance().Mine(gate, credential.Tether{})
	var f found
	var notes []string
	err := with.maker.All(ctx, nil,
		func(ctx context.Context) error { return checkServed(ctx, job) },
		func(ctx context.Context) (err error) {
			f.Observed, notes, err = read(ctx, job, true)
			return err
		},
		job.Server.Recognise,
		func(ctx context.Context) (err error) {
			f.Gate, err = entry.Look(ctx, gate)
			if _, denied := errors.AsType[*explain.Denial](err); denied {
				f.Gate = nil // askMint says so, with all else that is lacking
				return nil
			}
			return err
		},
	)
	job.Log.PrintList("note: ", notes)
	return f, err
}

// tryPlan asks a dry API server for everything that the run would ask of it.
func tryPlan(ctx context.Context, with tools, s entry.State) error {
	dry := with.job.Server.Dry()
	planned := plannedRefs(s.Plan)
	with.maker.Server = dry
	with.maker.Planned = planned
	with.issuer.Server = dry
	return with.maker.All(ctx, askable(s.Plan, planned),
		func(ctx context.Context) error { return askMint(ctx, with, s) },
		func(ctx context.Context) error { return tellWhoHoldsBack(ctx, with.job, s) },
	)
}

// plannedRefs are the objects that the run would create, or take rights from.
func plannedRefs(plan access.Plan) map[kube.Ref]bool {
	planned := map[kube.Ref]bool{}
	for _, change := range plan.Changes {
		planned[change.Ref] = change.Verb == access.Created || len(change.Removed) > 0
	}
	return planned
}

// askable are the changes that a dry run can ask about: not those in a namespace that is itself
// only planned.
func askable(plan access.Plan, planned map[kube.Ref]bool) []access.Change {
	return changes.Select(plan, func(c access.Change) bool {
		return c.Verb != access.Unchanged && !planned[kube.Ref{Kind: "Namespace", Name: c.Ref.Namespace}]
	})
}

// isSettled says whether a run would find all as it declares, and so would not take the lock.
func isSettled(s entry.State) bool {
	return !slices.ContainsFunc(s.Plan.Changes, changes.TouchesAccess) && entry.IsAsDeclared(s.Gate)
}

// tellWhoHoldsBack says who would hold the run back now.
func tellWhoHoldsBack(ctx context.Context, job Job, s entry.State) error {
	if s.Gate == nil {
		return nil
	}
	if s.Gate.IsBusy() {
		job.Log.Printf("note: a run would have to wait now: %s", s.Gate.DescribeHolder())
	}
	if isSettled(s) {
		return nil
	}
	inTheWay, _, err := s.Gate.OfOtherAccess(ctx)
	if err != nil {
		return err
	}
	for _, c := range inTheWay {
		how := "a run would have to wait for it now"
		if job.Desired.Access.TakeOwnership {
			how = "a run would change the access under it now"
		}
		job.Log.Printf("note: %s: %s", how, c)
	}
	return nil
}

// askMint asks what a plan cannot try: whether the runner's identity may make lease, Secret and
// token.
func askMint(ctx context.Context, with tools, s entry.State) error {
	job, account := with.job, with.job.Desired.Access.ServiceAccount
	for _, need := range listNeeds(job, !job.Desired.IsEphemeral()) {
		if need.Namespace != account.Namespace {
			continue
		}
		lacks, err := review.FindLacking(ctx, job.Server, need.Namespace, need.Rules)
		if discovery.Unserved(err) {
			job.Log.Printf("note: %s: what the runner's identity may do is not known before it is tried", err)
			return askAdmission(ctx, with, s)
		}
		if err != nil {
			return job.Server.Explain(problem.Mint, "ask what the runner's identity may do", err)
		}
		if len(lacks) == 0 {
			return askAdmission(ctx, with, s)
		}
		return problem.Newf(problem.Rights, "mint token for "+account.String(),
			"the runner's identity lacks these rules in namespace %s", need.Namespace).Detail(
			explain.PasteRules(lacks)...,
		).
			Hint("give it these rules: see who it is with  kubectl auth whoami").
			Hint("%s", explain.SuggestBootstrap(""))
	}
	return nil
}

// askAdmission asks admission for what the token will depend on, and for the lock. In a namespace
// that is only planned there is nobody to ask.
func askAdmission(ctx context.Context, with tools, s entry.State) error {
	account := with.job.Desired.Access.ServiceAccount
	if with.maker.Planned[kube.Ref{Kind: "Namespace", Name: account.Namespace}] {
		return nil
	}
	if err := with.issuer.Try(ctx); err != nil {
		return err
	}
	return tryLock(ctx, with, s)
}

// tryLock asks whether the runner may take the lock, where the run would. What the API server says
// of a lock that another run holds is of no use a moment later.
func tryLock(ctx context.Context, with tools, s entry.State) error {
	if s.Gate == nil || s.Gate.IsBusy() || isSettled(s) {
		return nil
	}
	var dry lock.API = with.job.Server.Dry()
	err := s.Gate.TryTaking(ctx, dry)
	if entry.IsRefusedByPolicy(err, with.issuer.HasLease()) {
		return nil
	}
	return with.job.Server.Explain(problem.Mint, "take the lock, "+s.Gate.Ref().String(), err)
}
