package rehearsal

import (
	"context"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/client/review"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/mint/changes"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/entry"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rights"
)

// Rehearsal has what a plan needs to ask for a run. Nothing in it changes.
type Rehearsal struct {
	Server  *client.Client // as the runner
	Desired access.Desired
	Maker   changes.Maker
	Issuer  credential.Issuer
	Needed  []rights.Need // what a run needs
	Log     *console.Log
}

// Try asks a dry API server for everything that the run would ask of it.
func (r Rehearsal) Try(ctx context.Context, s entry.State) error {
	dry := r.Server.Dry()
	planned := plannedRefs(s.Plan)
	r.Maker.Server = dry
	r.Maker.Planned = planned
	r.Issuer.Server = dry
	return r.Maker.All(ctx, askable(s.Plan, planned),
		func(ctx context.Context) error { return r.askMint(ctx, s) },
		func(ctx context.Context) error { return r.tellWhoHoldsBack(ctx, s) },
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
func (r Rehearsal) tellWhoHoldsBack(ctx context.Context, s entry.State) error {
	if s.Gate == nil {
		return nil
	}
	if s.Gate.IsBusy() {
		r.Log.Printf("note: a run would have to wait now: %s", s.Gate.DescribeHolder())
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
		if r.Desired.Access.TakeOwnership {
			how = "a run would change the access under it now"
		}
		r.Log.Printf("note: %s: %s", how, c)
	}
	return nil
}

// askMint asks what a plan cannot try: whether the runner's identity may make lease, Secret and
// token.
func (r Rehearsal) askMint(ctx context.Context, s entry.State) error {
	account := r.Desired.Access.ServiceAccount
	for _, need := range r.Needed {
		if need.Namespace != account.Namespace {
			continue
		}
		lacks, err := review.FindLacking(ctx, r.Server, need.Namespace, need.Rules)
		if discovery.Unserved(err) {
			r.Log.Printf("note: %s: what the runner's identity may do is not known before it is tried", err)
			return r.askAdmission(ctx, s)
		}
		if err != nil {
			return r.Server.Explain(problem.Mint, "ask what the runner's identity may do", err)
		}
		if len(lacks) == 0 {
			return r.askAdmission(ctx, s)
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

// askAdmission asks admission about the objects that the token will depend on, and about the lock.
// It cannot ask in a namespace that is only planned.
func (r Rehearsal) askAdmission(ctx context.Context, s entry.State) error {
	account := r.Desired.Access.ServiceAccount
	if r.Maker.Planned[kube.Ref{Kind: "Namespace", Name: account.Namespace}] {
		return nil
	}
	if err := r.Issuer.Try(ctx); err != nil {
		return err
	}
	return r.tryLock(ctx, s)
}

// tryLock asks whether the runner may take the lock, where the run would. What the API server says
// about another run's lock is out of date a moment later.
func (r Rehearsal) tryLock(ctx context.Context, s entry.State) error {
	if s.Gate == nil || s.Gate.IsBusy() || isSettled(s) {
		return nil
	}
	var dry lock.API = r.Server.Dry()
	err := s.Gate.TryTaking(ctx, dry)
	if entry.IsRefusedByPolicy(err, r.Issuer.HasLease()) {
		return nil
	}
	return r.Server.Explain(problem.Mint, "take the lock, "+s.Gate.Ref().String(), err)
}
