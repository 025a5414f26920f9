package app

import (
	"context"
	"errors"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/token"
)

// ensure carries the plan out and mints. What depends on nothing goes out together: namespaces; then ServiceAccount,
// roles and the lease's Secret; then bindings, which need their roles, and the token, which needs account and Secret.
func (m *minting) ensure(ctx context.Context) error {
	var namespaces, first, bindings []access.Change
	for _, change := range m.plan.Changes {
		switch {
		case change.Verb == access.Unchanged:
		case change.Ref.Kind == "Namespace":
			namespaces = append(namespaces, change)
		case change.Apply != nil && access.IsBinding(change.Apply):
			bindings = append(bindings, change)
		default:
			first = append(first, change)
		}
	}
	if err := m.apply(ctx, namespaces); err != nil {
		return err
	}
	if err := m.createLease(ctx, false); err != nil {
		return err
	}
	if m.desired.Ephemeral() {
		if err := m.bond(ctx); err != nil { // first, as it can take another lease: what the old one owns is collected
			return err
		}
		m.desired.Own(token.OwnedBy(m.lease), m.lease)
	}
	err := m.apply(ctx, first, m.bond)
	if _, foreign := errors.AsType[access.NotOurs](err); foreign {
		// Of two owners' first runs at once one has made the ServiceAccount and has the name; a role may be the other's, and is
		// in its way no longer, now that it can be seen whose the account is.
		first = slices.DeleteFunc(first, func(c access.Change) bool { return c.Apply != nil && c.Apply.GetUID() != "" })
		if err = m.read(ctx); err == nil {
			err = m.apply(ctx, first, m.bond)
		}
	}
	if err != nil {
		return err
	}
	if err := m.apply(ctx, bindings, m.credential); err != nil {
		return err
	}
	return m.recordObjects()
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

// changeTries bounds how often an object is planned anew: once for another run beside this one, once to be sure.
const changeTries = 3

// change makes one change. Where somebody else has made or changed the object since it was read, it is read and planned
// anew: mostly another job of the same pipeline has done the same, and if not, it has to be asked whose object it is.
func (m *minting) change(ctx context.Context, change access.Change) error {
	for try := 1; ; try++ {
		op, err := m.carryOut(ctx, change)
		if err == nil {
			m.outcome.Did(change)
			return nil
		}
		m.outcome.Failed(change.Ref, cluster.Untouched(err))
		switch {
		case !cluster.Conflict(err) || try == changeTries:
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
		if err := m.client.Dry().Apply(ctx, change.Apply, true); err != nil && !cluster.Immutable(err) && !m.unknown(change, err) {
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

// unknown says whether a dry run was refused a binding for the sake of its role, which the run makes or narrows before.
func (m *minting) unknown(change access.Change, err error) bool {
	return m.client.IsDry() && (cluster.Missing(err) || cluster.Escalation(err)) && m.planned[access.RoleOf(change.Apply)]
}

func (m *minting) planAnew(ctx context.Context, change access.Change) (access.Change, error) {
	have := cluster.Empty(change.Ref)
	err := m.client.Get(ctx, have)
	if cluster.Missing(err) {
		have, err = nil, nil
	}
	if err != nil {
		return change, m.client.Explain(problem.Mint, "read "+change.Ref.String(), err)
	}
	anew, err := access.DiffOne(m.desired, m.observed, change.Apply, have)
	if err != nil {
		return change, err
	}
	m.replan.Lock()
	defer m.replan.Unlock()
	m.plan.Changes[slices.IndexFunc(m.plan.Changes, func(c access.Change) bool { return c.Ref == anew.Ref })] = anew
	m.log.Printf("note: %s was changed by somebody else meanwhile, and is planned again", anew.Ref)
	return anew, nil
}
