package changes

import (
	"context"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
)

// Server is the API server as this room asks it.
type Server interface {
	Get(ctx context.Context, o kube.Object) error
	ApplyObject(ctx context.Context, o kube.Object, force bool) (client.Applied, error)
	Remove(ctx context.Context, o kube.Object) error
	Explain(code problem.Code, op string, err error) error
}

// Maker makes changes.
type Maker struct {
	Server  Server
	Dry     Server // asks what the API server would answer, and changes nothing
	Desired access.Desired
	Log     *console.Log
	Ledger  *Ledger
	// Planned is set for a run that only asks: what it would create, or narrow. Server is a dry one
	// then.
	Planned map[kube.Ref]bool
	// Guard may refuse to plan a change again; nil: it is always allowed.
	Guard func() error
}

// Step is something else that is done while changes are made.
type Step func(ctx context.Context) error

// All makes changes, and takes the other steps at the same time.
func (m Maker) All(ctx context.Context, changes []access.Change, steps ...Step) error {
	return m.Log.EachWithProgress("objects applied", len(changes)+len(steps), func(i int) error {
		if i < len(steps) {
			return steps[i](ctx)
		}
		return m.makeChange(ctx, changes[i-len(steps)])
	})
}

// Select returns the changes of a plan that a condition holds for.
func Select(plan access.Plan, wanted func(access.Change) bool) []access.Change {
	return slices.DeleteFunc(slices.Clone(plan.Changes), func(c access.Change) bool { return !wanted(c) })
}

// TouchesAccess says whether a change is one that a credential of the account depends on.
func TouchesAccess(c access.Change) bool {
	return c.Verb != access.Unchanged && c.Ref.Kind != "Namespace"
}

// Order divides changes: first those that depend on nothing, then the bindings of roles that the
// first ones make or change.
func Order(changes []access.Change) (first, after []access.Change) {
	written := map[kube.Ref]bool{}
	for _, c := range changes {
		written[c.Ref] = c.Apply != nil
	}
	for _, c := range changes {
		if c.Apply != nil && kube.IsBinding(c.Apply) && written[kube.RoleOf(c.Apply)] {
			after = append(after, c)
			continue
		}
		first = append(first, c)
	}
	return first, after
}

// changeTries bounds how often an object is planned again: once for a concurrent run, once to be
// sure.
const changeTries = 3

// makeChange makes one change. If somebody else has made or changed the object since it was read,
// it is read and planned again: usually another job of the same pipeline made the same change, and
// if not, kubemint has to check again whose object it is.
func (m Maker) makeChange(ctx context.Context, change access.Change) error {
	for try := 1; ; try++ {
		op, err := m.carryOut(ctx, change)
		if err == nil {
			return nil
		}
		m.Ledger.outcome.Failed(change.Ref, answer.IsUntouched(err))
		switch {
		case !answer.IsConflict(err) || try == changeTries:
			return m.Server.Explain(problem.Mint, op+" "+change.Ref.String(), err)
		case change.Apply == nil: // a leftover that is another object by now
			m.Log.Printf(
				"note: %s was changed by somebody else meanwhile, and is left to the next run", change.Ref,
			)
			return nil
		}
		if change, err = m.planAgain(ctx, change); err != nil {
			return err
		}
	}
}

// carryOut sends the requests of a change. op says what failed.
func (m Maker) carryOut(ctx context.Context, change access.Change) (op string, err error) {
	if change.Delete != nil {
		if op, err = m.deleteFirst(ctx, change); err != nil {
			return op, err
		}
	}
	var applied client.Applied
	switch {
	case change.Apply == nil, change.Delete != nil && m.asksOnly():
	default:
		applied, err = m.Server.ApplyObject(ctx, change.Apply, change.Force)
	}
	if err != nil && !m.isForeseen(change, err) {
		return "apply", err
	}
	m.Ledger.did(change, applied)
	return "", nil
}

// deleteFirst deletes the observed object of a change, either because it has to go or because it is
// about to be recreated.
func (m Maker) deleteFirst(ctx context.Context, change access.Change) (op string, err error) {
	if change.Apply != nil {
		// A runner that may not bind the new role must not lose the old binding: the API server is asked
		// before.
		_, err := m.Dry.ApplyObject(ctx, change.Apply, true)
		if err != nil && !answer.IsImmutable(err) && !m.isForeseen(change, err) {
			return "apply", err
		}
	}
	if err := m.Server.Remove(ctx, change.Delete); err != nil {
		return "delete", err
	}
	m.Ledger.outcome.Did(access.Change{Verb: access.Deleted, Ref: change.Ref, Removed: change.Removed})
	return "", nil
}

func (m Maker) asksOnly() bool { return m.Planned != nil }

// isForeseen says whether a dry run was refused a binding because of its role, which the run makes
// or narrows before.
func (m Maker) isForeseen(change access.Change, err error) bool {
	return m.asksOnly() && (answer.IsMissing(err) || answer.IsEscalation(err)) &&
		m.Planned[kube.RoleOf(change.Apply)]
}

func (m Maker) planAgain(ctx context.Context, change access.Change) (access.Change, error) {
	if m.Guard != nil && change.Ref.Kind != "Namespace" {
		if err := m.Guard(); err != nil {
			return change, err
		}
	}
	have := client.NewObject(change.Ref)
	err := m.Server.Get(ctx, have)
	if answer.IsMissing(err) {
		have = nil
		err = nil
	}
	if err != nil {
		return change, m.Server.Explain(problem.Mint, "read "+change.Ref.String(), err)
	}
	again, err := access.DiffOne(m.Desired, change.Apply, have)
	if err != nil {
		return change, err
	}
	m.Ledger.replan(again)
	m.Log.Printf("note: %s was changed by somebody else meanwhile, and is planned again", again.Ref)
	return again, nil
}
