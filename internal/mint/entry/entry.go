package entry

import (
	"context"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/mint/changes"
	"github.com/kubemint/kubemint/internal/mint/credential"
)

// State holds what a run knows of the cluster. Each step takes one and returns the next.
type State struct {
	Observed access.Observed
	Plan     access.Plan
	Tether   credential.Tether
	Gate     *lock.Gate        // nil: nobody to wait for
	Early    map[kube.Ref]bool // changes that were made before it was known who depends on the access
}

// Entrance holds what a run needs to enter. Nothing in it changes.
type Entrance struct {
	Maker   changes.Maker
	Issuer  credential.Issuer
	Desired access.Desired
	Log     *console.Log
	Read    func(ctx context.Context) (access.Observed, error) // by consistent lists
	// names of the leases of the credential that is replaced
	Others []string
}

// Mine tells the gate which leases are not in this run's way: its own, and those that it replaces.
func (e Entrance) Mine(gate *lock.Gate, t credential.Tether) {
	if gate == nil {
		return
	}
	gate.Mine = slices.Clone(e.Others)
	if t.Lease != nil {
		gate.Mine = append(gate.Mine, t.Lease.Name)
	}
}

// Enter returns when the run may rely on its access: either the access is in place and no other run
// can change it while this lease exists, or the run holds the lock and may change it. It returns
// the context to change it under.
func (e Entrance) Enter(ctx context.Context, s State) (context.Context, State, error) {
	gate := s.Gate
	if gate == nil {
		return ctx, s, nil // nobody shares an ephemeral identity
	}
	var before *lock.Obstacle
	for {
		under, next, inTheWay, err := e.try(ctx, s)
		if err != nil || inTheWay == nil {
			return under, next, gate.InTime(ctx, before, err)
		}
		before = inTheWay
		if err := e.Issuer.Withdraw(ctx, next.Tether); err != nil {
			return ctx, next, gate.InTime(ctx, before, err)
		}
		if err := gate.AwaitObstacle(ctx, inTheWay); err != nil {
			return ctx, next, err
		}
		if s, err = e.observeAgain(ctx, next); err != nil {
			return ctx, s, gate.InTime(ctx, before, err)
		}
	}
}

// try makes one attempt. The lease exists already: a run that takes the lock from now on sees it.
func (e Entrance) try(ctx context.Context, s State) (context.Context, State, *lock.Obstacle, error) {
	if slices.ContainsFunc(s.Plan.Changes, changes.TouchesAccess) {
		return e.takeLock(ctx, s)
	}
	made := s.Tether.Lease
	err := e.Maker.All(ctx, nil, e.bind(&s.Tether), s.Gate.CheckLock)
	if err != nil {
		return ctx, s, nil, err
	}
	if s.Tether.Lease != made { // bind has renamed it: the lock has to be read after the lease that counts
		if err := s.Gate.CheckLock(ctx); err != nil {
			return ctx, s, nil, err
		}
	}
	switch {
	case s.Gate.IsSettled() && IsAsDeclared(s.Gate):
		return ctx, s, nil, nil
	case s.Gate.IsBusy():
		return ctx, s, s.Gate.HolderObstacle(), nil
	}
	return e.takeLock(ctx, s)
}

// bind is the step that makes the lease's Secret, and sets the tether that its caller goes on with.
func (e Entrance) bind(t *credential.Tether) changes.Step {
	return func(ctx context.Context) (err error) {
		*t, err = e.Issuer.Bind(ctx, *t)
		return err
	}
}

// takeLock takes the lock and then looks who depends on the access.
func (e Entrance) takeLock(ctx context.Context, s State) (
	context.Context, State, *lock.Obstacle, error,
) {
	existed := s.Gate.Exists()
	var inTheWay *lock.Obstacle
	under := ctx
	seize := func(ctx context.Context) (err error) {
		if inTheWay, err = s.Gate.SeizeLock(ctx); err == nil && inTheWay == nil {
			//nolint:fatcontext // once: it is renewed from now on, however long bind takes
			under = s.Gate.KeepRenewed(ctx)
		}
		return err
	}
	err := e.Maker.All(ctx, nil, e.bind(&s.Tether), seize)
	if IsRefusedByPolicy(err, e.Issuer.HasLease()) {
		return e.goUnlocked(ctx, s, err)
	}
	if err != nil || inTheWay != nil {
		return ctx, s, inTheWay, err
	}
	e.Mine(s.Gate, s.Tether) // bind can have renamed the lease
	s, inTheWay, err = e.lookUnderLock(under, s, existed)
	if inTheWay != nil {
		return ctx, s, inTheWay, e.giveBack(ctx, s.Gate, existed)
	}
	return under, s, nil, err
}

// lookUnderLock looks who depends on the access. If the lock existed before, another run may have
// changed the access since it was observed, so it is observed again. If the lock is new, no run has
// changed it.
func (e Entrance) lookUnderLock(
	under context.Context, s State, existed bool,
) (State, *lock.Obstacle, error) {
	var inTheWay *lock.Obstacle
	var early []access.Change
	observed := s.Observed
	steps := []changes.Step{func(ctx context.Context) (err error) {
		inTheWay, err = s.Gate.FindDependents(ctx)
		return err
	}}
	if e.hasAccount(s.Observed) && s.Gate.Hash() != access.Undeclared {
		steps = append(steps, func(ctx context.Context) error {
			e.Issuer.NotePermanent(ctx)
			return nil
		})
	}
	if existed {
		steps = append(steps, func(ctx context.Context) (err error) {
			observed, err = e.Read(ctx)
			return err
		})
	} else {
		early = lock.SelectHarmless(s.Plan, s.Observed)
	}
	if err := e.Maker.All(under, early, steps...); err != nil {
		return s, nil, s.Gate.ExplainLost(err)
	}
	s.Observed = observed
	s.Early = withRefs(s.Early, early)
	if inTheWay != nil || !existed {
		return s, inTheWay, nil
	}
	s, err := e.planAgain(s)
	return s, nil, err
}

func withRefs(refs map[kube.Ref]bool, made []access.Change) map[kube.Ref]bool {
	all := map[kube.Ref]bool{}
	for ref := range refs {
		all[ref] = true
	}
	for _, change := range made {
		all[change.Ref] = true
	}
	return all
}

// giveBack gives the lock back before a wait. Nothing was changed: without a lock that was made
// just now, steady runs go on as before.
func (e Entrance) giveBack(ctx context.Context, gate *lock.Gate, existed bool) error {
	err := gate.GiveBack(ctx, gate.InEffect())
	if err == nil && !existed {
		_, _ = gate.DeleteLock(ctx)
	}
	return gate.ExplainLost(err)
}

// goUnlocked goes on without the lock, where no live credential is seen that depends on other
// access.
func (e Entrance) goUnlocked(ctx context.Context, s State, why error) (
	context.Context, State, *lock.Obstacle, error,
) {
	inTheWay, err := s.Gate.FindDependents(ctx)
	if err != nil || inTheWay != nil {
		return ctx, s, inTheWay, err
	}
	e.Log.Warnf("another run that changes the access of ServiceAccount %s at this moment is not noticed: %s",
		e.Desired.Access.ServiceAccount, why)
	s.Gate = nil
	return ctx, s, nil, nil
}

// planAgain plans by what was observed under the lock. It says so where that is another plan by
// now, and adds the warnings that the first one did not have.
func (e Entrance) planAgain(s State) (State, error) {
	plan, err := access.Diff(e.Desired, s.Observed)
	if err != nil {
		return s, err
	}
	byOthers := func(plan access.Plan) access.Plan { // without what this run has made already
		plan.Changes = changes.Select(plan, func(c access.Change) bool {
			return c.Ref.Kind != "Namespace" && !s.Early[c.Ref]
		})
		return plan
	}
	if !slices.Equal(console.ChangeLines(byOthers(s.Plan)), console.ChangeLines(byOthers(plan))) {
		e.Log.Printf("note: another run has changed the access meanwhile, and the changes are planned again")
	}
	e.Log.PrintList("warning: ", slices.DeleteFunc(slices.Clone(plan.Warnings), func(warning string) bool {
		return slices.Contains(s.Plan.Warnings, warning)
	}))
	s.Plan = plan
	s.Early = nil // somebody can have changed or replaced since what an earlier attempt made
	return s, nil
}

// observeAgain begins again after a wait, with another lease.
func (e Entrance) observeAgain(ctx context.Context, s State) (State, error) {
	var err error
	if s.Tether, err = e.Issuer.Replace(s.Tether); err != nil {
		return s, err
	}
	e.Mine(s.Gate, s.Tether)
	early := s.Tether
	observed := s.Observed
	err = e.Maker.All(ctx, nil, s.Gate.CheckLock, func(ctx context.Context) (err error) {
		observed, err = e.Read(ctx)
		return err
	}, func(ctx context.Context) (err error) {
		early, err = e.Issuer.CreateEarly(ctx, early)
		return err
	})
	s.Tether = early
	s.Observed = observed
	if err != nil {
		return s, err
	}
	if s.Tether, err = e.Issuer.Create(ctx, s.Tether); err != nil {
		return s, err
	}
	return e.planAgain(s)
}

// hasAccount says whether the ServiceAccount was there when the cluster was observed.
func (e Entrance) hasAccount(observed access.Observed) bool {
	account := e.Desired.Access.ServiceAccount
	return observed.Objects[kube.Ref{
		Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name,
	}] != nil
}
