package credential

import (
	"context"
	"errors"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

// Plan describes the lease of this run, if it has one, and records it: nothing is sent yet.
func (i Issuer) Plan(record *receipt.Receipt) Tether {
	if !i.HasLease() {
		return Tether{}
	}
	t := Tether{Lease: i.newLease()}
	record.Leases = append(record.Leases, named(t.Lease))
	return t
}

func named(l *coordinationv1.Lease) receipt.Object {
	return receipt.Object{Kind: "Lease", Namespace: l.Namespace, Name: l.Name, UID: l.UID}
}

// CreateEarly makes the lease while the cluster is observed. A namespace that is missing then may
// be one that this run is about to create.
func (i Issuer) CreateEarly(ctx context.Context, t Tether) (Tether, error) {
	next, err := i.create(ctx, t)
	if err != nil && i.Desired.Access.CreateNamespace && answer.NamespaceMissing(err) {
		return next, nil
	}
	return i.record(t, next, err)
}

// Create makes the lease, if it is not made yet.
func (i Issuer) Create(ctx context.Context, t Tether) (Tether, error) {
	next, err := i.create(ctx, t)
	return i.record(t, next, err)
}

// record records the UID of a lease that was just made, or explains why it was not.
func (i Issuer) record(before, t Tether, err error) (Tether, error) {
	switch {
	case err != nil:
		return t, i.withoutLease(i.Server.Explain(problem.Mint, "create Lease "+t.place(), err))
	case before.made || !t.made:
		return t, nil
	}
	return t, i.Undo.Journal.Update(t.setUID)
}

func (t Tether) setUID(record *receipt.Receipt) {
	inRecord(record, t.Lease, func(o *receipt.Object) { o.UID = t.Lease.UID })
}

func (t Tether) place() string { return t.Lease.Namespace + "/" + t.Lease.Name }

func (i Issuer) create(ctx context.Context, t Tether) (Tether, error) {
	if t.Lease == nil || t.made {
		return t, nil
	}
	if t.undo == nil {
		t.undo = i.Undo.PushLease(named(t.Lease))
	}
	t.Lease = t.Lease.DeepCopy()
	err := lease.Create(ctx, i.Server, t.Lease)
	if answer.IsUntouched(err) {
		t.undo.Drop()
		t.undo = nil
	}
	// Before this answer the API server had not said its time.
	if err == nil && i.Clock.Now().Sub(t.Lease.Spec.AcquireTime.Time).Abs() > time.Minute {
		// It is recreated, as lease.Create does with one that is there, and not changed: the runner's
		// identity need not have that right.
		name := t.Lease.Name
		t.Lease = i.newLease()
		t.Lease.Name = name
		err = lease.Create(ctx, i.Server, t.Lease)
	}
	t.made = err == nil
	return t, err
}

// inRecord changes what a record says of a lease.
func inRecord(record *receipt.Receipt, l *coordinationv1.Lease, change func(*receipt.Object)) {
	for i := range record.Leases {
		if o := &record.Leases[i]; o.Namespace == l.Namespace && o.Name == l.Name {
			change(o)
		}
	}
}

// withoutLease adds a hint if the runner's identity may not make the objects of a lease, or the
// cluster does not admit them.
func (i Issuer) withoutLease(err error) error {
	_, denied := errors.AsType[*explain.Denial](err)
	status, _ := answer.StatusOf(err)
	switch {
	case discovery.Unserved(err):
		return problem.AddHint(err, problem.Mint, i.Remedy.Unserved)
	case i.Remedy.Refused == "":
		return err
	case denied:
		return problem.AddHint(err, problem.Rights, i.Remedy.Refused)
	case explain.DeniedByGuard(status.Message): // it allows no token without a lease either
	case answer.NotAdmitted(err):
		return problem.AddHint(err, problem.Mint, i.Remedy.Refused)
	}
	return err
}

// bindTries bounds how often the lease gets another name: somebody who races for it wins two of
// three times.
const bindTries = 20

// Bind creates the lease's Secret. Where one of that name is there already, the lease gets another
// name: anyone allowed to watch leases can have made the Secret first, and a token bound to it
// would outlive its lease.
func (i Issuer) Bind(ctx context.Context, t Tether) (Tether, error) {
	if t.IsBound() {
		return t, nil
	}
	told := false
	for try := 1; ; try++ {
		uid, err := lease.CreateBond(ctx, i.Server, t.Lease)
		if err == nil {
			t.secret = uid
			i.Undo.Journal.Note(func(record *receipt.Receipt) { // saved with the token's hash
				inRecord(record, t.Lease, func(o *receipt.Object) { o.SecretUID = uid })
			})
			return t, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return t, i.withoutLease(i.Server.Explain(problem.Mint, "create Secret "+t.place(), err))
		}
		if try == bindTries {
			return t, problem.Newf(problem.Mint, "create Secret "+t.place(),
				"it was there already, as were those of %d names before", try-1).
				Hint("somebody may watch leases and create Secrets in namespace %s, and makes the Secret "+
					"of each new lease first: use a `service_account` in a namespace of its own", t.Lease.Namespace)
		}
		if !told && !answer.IsUnsure(err) {
			// else it can be this run's own, made by a request whose answer was lost
			told = true
			i.Log.Warnf("somebody else made Secret %s before this run could: it takes another name "+
				"(see who can watch leases and create Secrets in namespace %s)", t.place(), t.Lease.Namespace)
		}
		if t, err = i.rename(ctx, t); err != nil {
			return t, err
		}
	}
}

// rename makes the lease under another name and then deletes the old one, so that one of them is
// there at every moment.
func (i Issuer) rename(ctx context.Context, old Tether) (Tether, error) {
	next := Tether{Lease: lease.WithNewName(old.Lease, i.account())}
	err := i.Undo.Journal.Update(func(record *receipt.Receipt) {
		record.Leases = append(record.Leases, named(next.Lease))
	})
	if err != nil {
		return old, err
	}
	next.undo = i.Undo.PushLease(named(next.Lease))
	if err := lease.Create(ctx, i.Server, next.Lease); err != nil {
		return old, i.Server.Explain(problem.Mint, "create Lease "+next.place(), err)
	}
	next.made = true
	i.Undo.Journal.Note(next.setUID)
	if err := i.Server.Delete(ctx, old.Lease); err != nil && !answer.IsMissing(err) {
		return next, i.Server.Explain(problem.Mint, "delete Lease "+old.place(), err)
	}
	old.undo.Drop()
	return next, i.Undo.Journal.Update(func(record *receipt.Receipt) {
		record.Leases = withoutName(record.Leases, old.Lease)
	})
}

func withoutName(leases []receipt.Object, l *coordinationv1.Lease) (left []receipt.Object) {
	for _, o := range leases {
		if o.Namespace != l.Namespace || o.Name != l.Name {
			left = append(left, o)
		}
	}
	return left
}

// Withdraw deletes this run's lease while it waits: it has no credential yet, and would be in the
// way of other runs.
func (i Issuer) Withdraw(ctx context.Context, t Tether) error {
	if t.undo == nil {
		return nil
	}
	err := revoke.Discard(ctx, i.Server, revoke.Doomed{
		Account: i.account(), Lease: t.Lease.Name, UID: t.Lease.UID, Secret: t.secret,
	})
	if err != nil {
		return i.Server.Explain(problem.Mint, "withdraw Lease "+t.place(), err)
	}
	t.undo.Drop()
	return nil
}

// Replace describes another lease in the place of a withdrawn one: the garbage collector may still
// be about to delete the Secret of that one's name.
func (i Issuer) Replace(t Tether) (Tether, error) {
	if t.Lease == nil {
		return t, nil
	}
	next := Tether{Lease: i.newLease()}
	return next, i.Undo.Journal.Update(func(record *receipt.Receipt) {
		record.Leases = append(withoutName(record.Leases, t.Lease), named(next.Lease))
	})
}
