package mint

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/mint/changes"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/entry"
	"github.com/kubemint/kubemint/internal/mint/undo"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/revoke"
)

// ensured holds the results of a run whose access is ensured and whose credential is issued.
type ensured struct {
	issued   credential.Issued
	plan     access.Plan // what was done
	observed access.Observed
	gate     *lock.Gate // this run's until the access is proved; nil: there was nobody to wait for
	fresh    bool       // the access was written a moment ago, by this run or a concurrent one
}

// ensure carries the plan out and issues the credential, once the run may: see
// [entry.Entrance.Enter].
func ensure(ctx context.Context, with tools, f found) (ensured, error) {
	var dirty atomic.Bool // changes to the access have begun
	if f.Gate != nil {
		entry.PushLock(with.undo, f.Gate, dirty.Load, with.job.Log)
	}
	widenIfFresh(ctx, with.job, f.State)
	under, state, err := prepareAccess(ctx, with, f.State)
	result := ensured{observed: state.Observed, gate: state.Gate}
	if err == nil {
		result.fresh = widenIfFresh(ctx, with.job, state)
		f.State = state
		result.issued, err = changeAccess(under, with.guardedBy(state.Gate), f, &dirty)
	}
	if err != nil && state.Gate != nil && errors.Is(context.Cause(under), lock.ErrLost) {
		err = state.Gate.ExplainLost(lock.ErrLost)
	}
	result.plan = with.maker.Ledger.Result(state.Plan, err != nil)
	if err != nil {
		return result, err
	}
	return result, recordMade(with, result.issued)
}

// widenIfFresh opens the verifier's further connections where the access is fresh, while the run
// goes on with something else. It says whether it is.
func widenIfFresh(ctx context.Context, job Job, s entry.State) bool {
	fresh := isFresh(job, s)
	if fresh {
		job.Verifier.Widen(ctx)
	}
	return fresh
}

// prepareAccess makes the namespaces, and the lease where it had to wait for its namespace, and
// then waits until the run may change the access.
func prepareAccess(
	ctx context.Context, with tools, s entry.State,
) (context.Context, entry.State, error) {
	isNamespace := func(c access.Change) bool {
		return c.Verb != access.Unchanged && c.Ref.Kind == "Namespace"
	}
	err := with.maker.All(ctx, changes.Select(s.Plan, isNamespace))
	if err != nil {
		return ctx, s, err
	}
	if s.Tether, err = with.issuer.Create(ctx, s.Tether); err != nil {
		return ctx, s, err
	}
	if with.job.Desired.IsEphemeral() {
		s, err = tieToLease(ctx, with, s)
		return ctx, s, err
	}
	return with.entrance().Enter(ctx, s)
}

// tieToLease makes the lease the owner of the ephemeral objects. The lease's Secret is made first,
// since that can lead to another lease: objects that the old lease owns would be collected.
func tieToLease(ctx context.Context, with tools, s entry.State) (entry.State, error) {
	var err error
	if s.Tether, err = with.issuer.Bind(ctx, s.Tether); err != nil {
		return s, err
	}
	objects := ephemeralObjects(with.job.Desired)
	with.undo.Push(undo.Objects,
		"kubemint revoke deletes what is left; so does kubemint sweep --all-namespaces, once it has expired",
		func(ctx context.Context) error {
			record := with.undo.Journal.Record()
			made := revoke.Part{Objects: sameObjects(record.Objects, objects)}
			_, err := with.undo.Revoker.Record(ctx, record, made, nil)
			return err
		})
	s.Plan = s.Plan.OwnedBy(s.Tether.Lease, lease.OwnedBy(s.Tether.Lease))
	return s, nil
}

// sameObjects returns the recorded form of the given objects, with the UIDs that are known by now.
func sameObjects(recorded, given []receipt.Object) []receipt.Object {
	named := map[receipt.Object]bool{}
	for _, o := range given {
		named[o] = true
	}
	return slices.DeleteFunc(slices.Clone(recorded), func(o receipt.Object) bool {
		o.UID = ""
		return !named[o]
	})
}

func (with tools) guardedBy(gate *lock.Gate) tools {
	if gate != nil {
		with.maker.Guard = func() error {
			if gate.IsHeld() {
				return nil
			}
			return gate.ExplainLost(lock.ErrLost)
		}
	}
	return with
}

// changeAccess makes the changes and issues the credential. Requests that depend on nothing are
// sent together; then the bindings of roles that had to be made or changed before, and the token
// request of a new ServiceAccount.
func changeAccess(
	ctx context.Context, with tools, f found, dirty *atomic.Bool,
) (credential.Issued, error) {
	due := changes.Select(f.Plan, func(c access.Change) bool {
		return changes.TouchesAccess(c) && !f.Early[c.Ref]
	})
	if len(due) > 0 {
		dirty.Store(true)
	}
	account := accountRef(with.job.Desired)
	isNew := slices.ContainsFunc(
		due, func(c access.Change) bool { return c.Ref == account && c.Apply != nil },
	)
	tether := f.Tether
	var issued credential.Issued
	bind := func(ctx context.Context) (err error) {
		tether, err = with.issuer.Bind(ctx, tether)
		return err
	}
	issue := func(ctx context.Context) (err error) {
		issued, err = with.issuer.Issue(ctx, tether, f.permanent, with.accountUID(f.Observed))
		return err
	}
	first, after := changes.Order(due)
	if tether.IsBound() && !isNew {
		if err := with.maker.All(ctx, first, issue); err != nil {
			return issued, err
		}
		return issued, with.maker.All(ctx, after)
	}
	if err := with.maker.All(ctx, first, bind); err != nil {
		return issued, err
	}
	err := with.maker.All(ctx, after, issue)
	return issued, err
}

func accountRef(desired access.Desired) kube.Ref {
	account := desired.Access.ServiceAccount
	return kube.Ref{Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name}
}

// accountUID returns the UID of the ServiceAccount that this run found or made.
func (with tools) accountUID(observed access.Observed) types.UID {
	ref := accountRef(with.job.Desired)
	if have := observed.Objects[ref]; have != nil {
		return have.GetUID()
	}
	return with.maker.Ledger.UID(ref)
}

// recordMade records the UIDs of what this run made for itself alone, and a permanent token's
// Secret.
func recordMade(with tools, issued credential.Issued) error {
	account := with.job.Desired.Access.ServiceAccount
	if !with.job.Desired.IsEphemeral() && issued.Secret == nil {
		return nil
	}
	return with.undo.Journal.Update(func(record *receipt.Receipt) {
		for i, o := range record.Objects {
			uid := with.maker.Ledger.UID(kube.Ref{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name})
			record.Objects[i].UID = cmp.Or(o.UID, uid)
		}
		record.Theirs = issued.Theirs(account)
		for _, own := range issued.Own(account) {
			record.Objects = append(withoutNamesake(record.Objects, own), own)
		}
	})
}

func withoutNamesake(objects []receipt.Object, other receipt.Object) []receipt.Object {
	return slices.DeleteFunc(objects, func(o receipt.Object) bool {
		return o.Kind == other.Kind && o.Namespace == other.Namespace && o.Name == other.Name
	})
}

// freshFor is how long access counts as fresh after it was written. Afterwards every API server
// knows it: usually that takes milliseconds.
const freshFor = 5 * time.Second

// isFresh says whether this run changes access, or a concurrent run did so a moment ago.
func isFresh(job Job, s entry.State) bool {
	written := func(f metav1.ManagedFieldsEntry) bool {
		return f.Time != nil && job.Clock.Now().Sub(f.Time.Time) < freshFor
	}
	for _, o := range s.Observed.Objects {
		if o != nil && slices.ContainsFunc(o.GetManagedFields(), written) {
			return true
		}
	}
	changed := func(c access.Change) bool { return c.Verb != access.Unchanged }
	return slices.ContainsFunc(s.Plan.Changes, changed) || (s.Gate != nil && s.Gate.WrittenWithin(freshFor))
}
