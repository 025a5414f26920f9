package app

import (
	"context"
	"errors"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/lock"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/receipt"
	"github.com/kubemint/kubemint/internal/token"
)

// enter returns when the run may rely on its access: because all is as it declares and nobody can change
// it while its lease is there, or because the run holds the lock and may change it. The context is the one
// to change it under.
func (m *minting) enter(ctx context.Context) (context.Context, error) {
	if m.gate == nil {
		return ctx, nil // nobody shares an ephemeral identity
	}
	var before *obstacle
	for {
		under, inTheWay, err := m.tryGate(ctx)
		if err != nil || inTheWay == nil {
			return under, m.gate.inTime(ctx, before, err)
		}
		before = inTheWay
		if err := m.withdrawLease(ctx); err != nil {
			return ctx, m.gate.inTime(ctx, before, err)
		}
		if err := m.gate.await(ctx, inTheWay); err != nil {
			return ctx, err
		}
		if err := m.observeAgain(ctx); err != nil {
			return ctx, m.gate.inTime(ctx, before, err)
		}
	}
}

// openGate prepares the lock. The credential that this run replaces at its output is not in its way.
func (m *minting) openGate() {
	m.early = map[access.Ref]bool{}
	if m.desired.Ephemeral() {
		return
	}
	m.gate = m.newGate(m.client, m.desired)
	m.gate.mine = m.ownLeases()
}

// ownLeases are the names of this run's lease, and of those of the credential that it replaces.
func (m *minting) ownLeases() (names []string) {
	if m.lease != nil {
		names = append(names, m.lease.Name)
	}
	if earlier := m.output.earlier; earlier != nil && !m.output.expired {
		for _, lease := range earlier.Leases {
			names = append(names, lease.Name)
		}
	}
	return names
}

// lookAtLock reads the lock, where there is one, beside the observation: a run that changes access then
// takes it at once.
func (m *minting) lookAtLock(ctx context.Context) error {
	if m.gate == nil {
		return nil
	}
	return m.gate.look(ctx)
}

// tryGate is one attempt. The lease is there already: whoever takes the lock from now on sees it.
func (m *minting) tryGate(ctx context.Context) (context.Context, *obstacle, error) {
	g := m.gate
	if !m.changesAccess() {
		if err := m.apply(ctx, nil, m.bond, g.look); err != nil {
			return ctx, nil, err
		}
		asDeclared := !g.Exists() || g.hash == access.Undeclared || g.InEffect() == g.hash
		switch {
		case g.Settled() && asDeclared:
			return ctx, nil, nil
		case g.Busy():
			return ctx, g.held(), nil
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
func (m *minting) takeLock(ctx context.Context) (context.Context, *obstacle, error) {
	g, existed := m.gate, m.gate.Exists()
	var inTheWay *obstacle
	seize := func(ctx context.Context) (err error) {
		inTheWay, err = g.seize(ctx)
		return err
	}
	if err := m.apply(ctx, nil, m.bond, seize); err != nil || inTheWay != nil {
		return ctx, inTheWay, err
	}
	under := g.Keep(ctx)
	var early []access.Change
	beside := []func(context.Context) error{m.notePermanent, func(ctx context.Context) (err error) {
		inTheWay, err = g.dependents(ctx)
		return err
	}}
	if existed {
		beside = append(beside, m.readNow)
	} else {
		early = m.harmless()
	}
	if err := m.apply(under, early, beside...); err != nil {
		return under, nil, g.lost(err)
	}
	for _, change := range early {
		m.early[change.Ref] = true
	}
	if inTheWay != nil {
		return ctx, inTheWay, g.lost(g.giveBack(ctx, g.InEffect()))
	}
	if existed {
		return under, nil, m.planAgain()
	}
	return under, nil, nil
}

// harmless are the changes that give nobody anything, and so need not wait for the answer who depends on
// the access: a new ServiceAccount, and new roles that nothing binds yet.
func (m *minting) harmless() []access.Change {
	bound := map[access.Ref]bool{}
	for _, c := range m.plan.Changes {
		if c.Apply != nil && access.IsBinding(c.Apply) && c.Verb != access.Created {
			bound[access.RoleOf(c.Apply)] = true
		}
	}
	for _, o := range m.observed.Objects {
		bound[access.RoleOf(o)] = true
	}
	return slices.DeleteFunc(slices.Clone(m.plan.Changes), func(c access.Change) bool {
		return c.Verb != access.Created || c.Ref.Kind == "Namespace" || access.IsBinding(c.Apply) || bound[c.Ref]
	})
}

// planAgain plans by what was observed under the lock, and shows the plan where it is another one by now.
func (m *minting) planAgain() error {
	before := console.ChangeLines(m.plan)
	plan, err := access.Diff(m.desired, m.observed)
	if err != nil {
		return err
	}
	m.plan = plan
	if !slices.Equal(before, console.ChangeLines(plan)) {
		m.log.Printf("note: another run has changed the access meanwhile, and now:")
		m.log.Show(plan)
	}
	return nil
}

// withdrawLease deletes this run's lease while it waits: no credential hangs on it yet, and it would be in
// the way of others.
func (m *minting) withdrawLease(ctx context.Context) error {
	if m.lease == nil || !m.maybe {
		return nil
	}
	err := token.Revoke(ctx, m.client, m.lease.Namespace, m.lease.Name, m.lease.UID)
	if err != nil {
		return m.client.Explain(problem.Mint, "withdraw Lease "+m.lease.Namespace+"/"+m.lease.Name, err)
	}
	m.leased, m.maybe, m.bonded = false, false, false
	return nil
}

// observeAgain begins anew after a wait, with another lease: the collector may still be about to delete
// the Secret of the withdrawn one's name.
func (m *minting) observeAgain(ctx context.Context) error {
	if m.lease != nil {
		m.lease = m.newLease()
		leases := m.output.receipt.Leases
		leases[len(leases)-1] = receipt.Object{Kind: "Lease", Namespace: m.lease.Namespace, Name: m.lease.Name}
		m.gate.mine = m.ownLeases()
		if err := m.saveReceipt(); err != nil {
			return err
		}
	}
	if err := m.apply(ctx, nil, m.readNow, m.createLeaseEarly, m.gate.look); err != nil {
		return err
	}
	if err := m.createLease(ctx, false); err != nil {
		return err
	}
	return m.planAgain()
}

// notePermanent warns where a token that never expires has the access that changes. It is found by its
// Secret's name, whose metadata alone is asked for; a runner that may not read Secrets does not find it.
func (m *minting) notePermanent(ctx context.Context) error {
	account := m.desired.Access.ServiceAccount
	ref := access.Ref{Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name}
	if m.observed.Objects[ref] == nil || m.gate.hash == access.Undeclared {
		return nil
	}
	secret := access.Ref{Kind: "Secret", Namespace: account.Namespace, Name: token.PermanentName(account.Name)}
	if m.client.Exists(ctx, secret) == nil {
		m.log.Warnf("%s holds a permanent token of ServiceAccount %s: whoever has it gets the changed access too", secret, account)
	}
	return nil
}

// prove proves the credential and gives the lock back. Where the change takes rights away the lock is
// given back after the proof, so that no other run's credential has them still; else beside it, since
// every run proves what it is given.
func (m *minting) prove(ctx context.Context) error {
	proof := func(ctx context.Context) error { return m.prover.prove(ctx, m) }
	if !slices.ContainsFunc(m.plan.Changes, takesAway) {
		return m.apply(ctx, nil, proof, m.release)
	}
	if err := proof(ctx); err != nil {
		return err
	}
	return m.release(ctx)
}

func takesAway(c access.Change) bool { return c.Delete != nil || len(c.Removed) > 0 }

// release gives the lock back, with the hash of the access that this run has brought into effect.
func (m *minting) release(ctx context.Context) error {
	g := m.gate
	if g == nil || !g.Held() {
		return nil
	}
	inEffect := g.hash
	if g.hash == access.Undeclared {
		inEffect = g.InEffect()
	}
	err := g.Give(ctx, inEffect)
	return g.lost(g.client.Explain(problem.Mint, "give back the lock, "+g.Ref().String(), err))
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
