package app

import (
	"context"
	"errors"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/problem"
)

// ensure carries the plan out and mints, once the run may: see enter.
func (m *minting) ensure(ctx context.Context) error {
	isNamespace := func(c access.Change) bool { return c.Verb != access.Unchanged && c.Ref.Kind == "Namespace" }
	if err := m.apply(ctx, selectChanges(m.plan, isNamespace)); err != nil {
		return err
	}
	if err := m.createLease(ctx, false); err != nil {
		return err
	}
	if m.desired.Ephemeral() {
		if err := m.bond(ctx); err != nil { // first, as it can take another lease: what the old one owns is collected
			return err
		}
		m.desired.Own(lease.OwnedBy(m.lease), m.lease)
	}
	under, err := m.enter(ctx)
	if err != nil {
		return err
	}
	m.prover.widen(ctx, m.fresh())
	if err := m.changeAccess(under); err != nil {
		if m.gate != nil && errors.Is(context.Cause(under), lock.ErrLost) {
			return m.gate.Lost(lock.ErrLost)
		}
		return err
	}
	return m.recordObjects()
}

func selectChanges(plan access.Plan, wanted func(access.Change) bool) []access.Change {
	return slices.DeleteFunc(slices.Clone(plan.Changes), func(c access.Change) bool { return !wanted(c) })
}

// changeAccess makes the changes and mints. What depends on nothing goes out together; then the bindings
// of roles that had to be made or changed before, and the token of a new ServiceAccount.
func (m *minting) changeAccess(ctx context.Context) error {
	changes := selectChanges(m.plan, func(c access.Change) bool {
		return c.Verb != access.Unchanged && c.Ref.Kind != "Namespace" && !m.early[c.Ref]
	})
	m.dirty = m.dirty || len(changes) > 0
	ahead := map[kube.Ref]bool{}
	for _, c := range changes {
		ahead[c.Ref] = c.Apply != nil
	}
	var first, after []access.Change
	for _, c := range changes {
		if c.Apply != nil && kube.IsBinding(c.Apply) && ahead[kube.RoleOf(c.Apply)] {
			after = append(after, c)
		} else {
			first = append(first, c)
		}
	}
	account := m.desired.Access.ServiceAccount
	isNew := ahead[kube.Ref{Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name}]
	if m.bound != "" || m.lease == nil {
		if !isNew {
			return m.inTwo(ctx, first, after, m.credential, nil)
		}
	}
	return m.inTwo(ctx, first, after, m.bond, m.credential)
}

// inTwo makes the first changes, and then the others, each with what may be done at the same time.
func (m *minting) inTwo(ctx context.Context, first, after []access.Change, beside, besideAfter func(context.Context) error) error {
	if err := m.apply(ctx, first, beside); err != nil {
		return err
	}
	if besideAfter == nil {
		return m.apply(ctx, after)
	}
	return m.apply(ctx, after, besideAfter)
}

// apply makes changes, and does what may be done beside them, all at once.
func (m *minting) apply(ctx context.Context, changes []access.Change, beside ...func(context.Context) error) error {
	return m.log.Each("objects applied", len(changes)+len(beside), func(i int) error {
		if i < len(beside) {
			return beside[i](ctx)
		}
		return m.change(ctx, changes[i-len(beside)])
	})
}

// changeTries bounds how often an object is planned anew: once for another run beside this one, once to be
// sure.
const changeTries = 3

// change makes one change. Where somebody else has made or changed the object since it was read, it is
// read and planned anew: mostly another job of the same pipeline has done the same, and if not, it has to
// be asked whose object it is.
func (m *minting) change(ctx context.Context, change access.Change) error {
	for try := 1; ; try++ {
		op, err := m.carryOut(ctx, change)
		if err == nil {
			m.outcome.Did(change)
			return nil
		}
		m.outcome.Failed(change.Ref, client.Untouched(err))
		switch {
		case !client.Conflict(err) || try == changeTries:
			return m.client.Explain(problem.Mint, op+" "+change.Ref.String(), err)
		case change.Apply == nil: // a leftover that is another object by now
			m.log.Printf("note: %s was changed by somebody else meanwhile, and is left to the next run", change.Ref)
			return nil
		}
		if change, err = m.planAnew(ctx, change); err != nil {
			return err
		}
	}
}

func (m *minting) carryOut(ctx context.Context, change access.Change) (op string, err error) {
	if change.Delete != nil && change.Apply != nil {
		// Whoever may not bind the new role must not lose the old binding: the API server is asked before.
		if err := m.client.Dry().Apply(ctx, change.Apply, true); err != nil && !client.Immutable(err) && !m.unknown(change, err) {
			return "apply", err
		}
	}
	if change.Delete != nil {
		if err := m.client.Remove(ctx, change.Delete); err != nil {
			return "delete", err
		}
		m.outcome.Did(access.Change{Verb: access.Deleted, Ref: change.Ref, Removed: change.Removed})
	}
	if change.Apply == nil || change.Delete != nil && m.client.IsDry() {
		return "", nil
	}
	err = m.client.Apply(ctx, change.Apply, change.Force)
	if m.unknown(change, err) {
		return "", nil
	}
	return "apply", err
}

// unknown says whether a dry run was refused a binding for the sake of its role, which the run makes or
// narrows before.
func (m *minting) unknown(change access.Change, err error) bool {
	return m.client.IsDry() && (client.Missing(err) || client.Escalation(err)) && m.planned[kube.RoleOf(change.Apply)]
}

func (m *minting) planAnew(ctx context.Context, change access.Change) (access.Change, error) {
	if m.gate != nil && !m.gate.Held() && change.Ref.Kind != "Namespace" {
		return change, m.gate.Lost(lock.ErrLost)
	}
	have := client.Empty(change.Ref)
	err := m.client.Get(ctx, have)
	if client.Missing(err) {
		have, err = nil, nil
	}
	if err != nil {
		return change, m.client.Explain(problem.Mint, "read "+change.Ref.String(), err)
	}
	anew, err := access.DiffOne(m.desired, change.Apply, have)
	if err != nil {
		return change, err
	}
	m.replan.Lock()
	defer m.replan.Unlock()
	m.plan.Changes[slices.IndexFunc(m.plan.Changes, func(c access.Change) bool { return c.Ref == anew.Ref })] = anew
	m.log.Printf("note: %s was changed by somebody else meanwhile, and is planned again", anew.Ref)
	return anew, nil
}
