package app

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

// enter returns when the run may rely on its access: because all is as it declares and nobody can change
// it while its lease is there, or because the run holds the lock and may change it. The context is the one
// to change it under.
func (m *minting) enter(ctx context.Context) (context.Context, error) {
	gate := m.gate // which goUnlocked gives up
	if gate == nil {
		return ctx, nil // nobody shares an ephemeral identity
	}
	var before *lock.Obstacle
	for {
		under, inTheWay, err := m.tryGate(ctx)
		if err != nil || inTheWay == nil {
			return under, gate.InTime(ctx, before, err)
		}
		before = inTheWay
		if err := m.withdrawLease(ctx); err != nil {
			return ctx, gate.InTime(ctx, before, err)
		}
		if err := gate.Await(ctx, inTheWay); err != nil {
			return ctx, err
		}
		if err := m.observeAgain(ctx); err != nil {
			return ctx, gate.InTime(ctx, before, err)
		}
	}
}

// tryGate is one attempt. The lease is there already: whoever takes the lock from now on sees it.
func (m *minting) tryGate(ctx context.Context) (context.Context, *lock.Obstacle, error) {
	g := m.gate
	if !m.changesAccess() {
		made := m.lease
		if err := m.apply(ctx, nil, m.bond, g.Look); err != nil {
			return ctx, nil, err
		}
		if m.lease != made { // bond has renamed it: the lock is to be read after the lease that counts
			if err := g.Look(ctx); err != nil {
				return ctx, nil, err
			}
		}
		switch {
		case g.Settled() && m.asDeclared():
			return ctx, nil, nil
		case g.Busy():
			return ctx, g.Holder(), nil
		}
	}
	return m.takeLock(ctx)
}

// changesAccess says whether the plan changes anything that a credential of the account depends on.
func (m *minting) changesAccess() bool {
	return slices.ContainsFunc(m.plan.Changes, func(c access.Change) bool {
		return c.Verb != access.Unchanged && c.Ref.Kind != "Namespace"
	})
}

// takeLock takes the lock and then looks who depends on the access. Where there was a lock before, another
// run may have changed the access since it was observed, so it is observed again; where there was none, no
// run has.
func (m *minting) takeLock(ctx context.Context) (context.Context, *lock.Obstacle, error) {
	g, existed := m.gate, m.gate.Exists()
	var inTheWay *lock.Obstacle
	under := ctx
	seize := func(ctx context.Context) (err error) {
		if inTheWay, err = g.Seize(ctx); err == nil && inTheWay == nil {
			under = g.Keep(ctx) //nolint:fatcontext // once: it is renewed from now on, however long bond takes
		}
		return err
	}
	err := m.apply(ctx, nil, m.bond, seize)
	if m.mayChangeUnlocked(err) {
		return m.goUnlocked(ctx, err)
	}
	if err != nil || inTheWay != nil {
		return ctx, inTheWay, err
	}
	g.Mine = m.ownLeases() // bond can have renamed the lease
	var early []access.Change
	beside := []func(context.Context) error{func(ctx context.Context) (err error) {
		inTheWay, err = g.Dependents(ctx)
		return err
	}}
	if m.foundAccount() && g.Hash() != access.Undeclared {
		beside = append(beside, m.notePermanent)
	}
	if existed {
		beside = append(beside, m.readNow)
	} else {
		early = lock.Harmless(m.plan, m.observed)
	}
	if err := m.apply(under, early, beside...); err != nil {
		return under, nil, g.Lost(err)
	}
	for _, change := range early {
		m.early[change.Ref] = true
	}
	if inTheWay != nil {
		err := g.GiveBack(ctx, g.InEffect())
		if err == nil && !existed {
			_, _ = g.Discard(ctx) // nothing was changed: without a lock, steady runs go on as before
		}
		return ctx, inTheWay, g.Lost(err)
	}
	if existed {
		return under, nil, m.planAgain()
	}
	return under, nil, nil
}

// planAgain plans by what was observed under the lock. It says so where that is another plan by now, and
// adds the warnings that the first one did not have.
func (m *minting) planAgain() error {
	before := m.plan
	plan, err := access.Diff(m.desired, m.observed)
	if err != nil {
		return err
	}
	m.plan = plan
	ours := func(c access.Change) bool { return c.Ref.Kind == "Namespace" || m.early[c.Ref] } // made by this run already
	before.Changes = slices.DeleteFunc(slices.Clone(before.Changes), ours)
	plan.Changes = slices.DeleteFunc(slices.Clone(plan.Changes), ours)
	if !slices.Equal(console.ChangeLines(before), console.ChangeLines(plan)) {
		m.log.Printf("note: another run has changed the access meanwhile, and the changes are planned again")
	}
	m.forgetEarly()
	m.log.List("warning: ", slices.DeleteFunc(slices.Clone(plan.Warnings), func(warning string) bool {
		return slices.Contains(before.Warnings, warning)
	}))
	return nil
}

// forgetEarly has what an earlier attempt made be like all else that was observed: somebody can have changed
// or replaced it since.
func (m *minting) forgetEarly() {
	clear(m.early)
	for _, o := range m.desired.Objects {
		o.SetUID("")
		o.SetResourceVersion("")
	}
}

// withdrawLease deletes this run's lease while it waits: no credential hangs on it yet, and it would be in
// the way of others.
func (m *minting) withdrawLease(ctx context.Context) error {
	if m.lease == nil || !m.maybe {
		return nil
	}
	err := revoke.Discard(ctx, m.client, revoke.Doomed{
		Account: m.desired.Access.ServiceAccount, Lease: m.lease.Name, UID: m.lease.UID, Secret: m.bound,
	})
	if err != nil {
		return m.client.Explain(problem.Mint, "withdraw Lease "+m.lease.Namespace+"/"+m.lease.Name, err)
	}
	m.leased, m.maybe, m.bound = false, false, ""
	return nil
}

// observeAgain begins anew after a wait, with another lease: the collector may still be about to delete
// the Secret of the withdrawn one's name.
func (m *minting) observeAgain(ctx context.Context) error {
	if m.lease != nil {
		m.lease = m.newLease()
		leases := m.output.receipt.Leases
		leases[len(leases)-1] = receipt.Object{Kind: "Lease", Namespace: m.lease.Namespace, Name: m.lease.Name}
		m.gate.Mine = m.ownLeases()
		if err := m.saveReceipt(); err != nil {
			return err
		}
	}
	if err := m.apply(ctx, nil, m.readNow, m.createLeaseEarly, m.gate.Look); err != nil {
		return err
	}
	if err := m.createLease(ctx, false); err != nil {
		return err
	}
	return m.planAgain()
}

// foundAccount says whether the ServiceAccount was there when the cluster was observed.
func (m *minting) foundAccount() bool {
	account := m.desired.Access.ServiceAccount
	return m.observed.Objects[kube.Ref{Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name}] != nil
}

// notePermanent warns where a token that never expires has the access that changes. It is found by its
// Secret's name, whose metadata alone is asked for; a runner that may not read Secrets does not find it.
func (m *minting) notePermanent(ctx context.Context) error {
	account := m.desired.Access.ServiceAccount
	secret := lease.NewPermanent(account, m.desired.Marks)
	if m.client.GetMetadata(ctx, secret) == nil {
		m.log.Warnf("%s holds a permanent token of ServiceAccount %s: whoever has it gets the changed access too",
			kube.RefOf(secret), account)
	}
	return nil
}

// prove proves the credential and gives the lock back. Where the change takes rights away the lock is
// given back after the proof, so that no other run's credential has them still; else beside it, since
// every run proves what it is given.
func (m *minting) prove(ctx context.Context) error {
	proof := func(ctx context.Context) error { return m.prover.prove(ctx, m) }
	if slices.ContainsFunc(m.plan.Changes, takesAway) {
		if err := proof(ctx); err != nil {
			return err
		}
		return m.release(ctx)
	}
	var unproven error
	err := m.apply(ctx, nil, m.release, func(ctx context.Context) error {
		unproven = proof(ctx)
		return nil
	})
	return cmp.Or(unproven, err) // a credential that fails is what the user has to know
}

func takesAway(c access.Change) bool { return c.Delete != nil || len(c.Removed) > 0 }

// release gives the lock back, with the hash of the access that this run has brought into effect.
func (m *minting) release(ctx context.Context) error {
	g := m.gate
	switch {
	case g != nil && g.WasLost():
		return g.Lost(lock.ErrLost)
	case g == nil || !g.Held():
		return nil
	}
	inEffect := g.Hash()
	if g.Hash() == access.Undeclared {
		inEffect = g.InEffect()
	}
	err := g.Give(ctx, inEffect)
	return g.Lost(m.client.Explain(problem.Mint, "give back the lock, "+g.Ref().String(), err))
}

// abandonLock gives the lock back after a failure. What is in effect is not known then, if changes had begun.
func (m *minting) abandonLock(ctx context.Context) {
	if m.gate == nil || !m.gate.Held() {
		return
	}
	inEffect := m.gate.InEffect()
	if m.dirty {
		inEffect = ""
	}
	if err := m.gate.Give(ctx, inEffect); err != nil && !errors.Is(err, lock.ErrLost) {
		m.log.Warnf("%s could not be given back, and holds other runs up for a minute: %s", m.gate.Ref(), err)
	}
}
