package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
)

// API is the part of the client that this room uses.
type API interface {
	Get(ctx context.Context, o kube.Object) error
	// Replace writes the Lease if the one on the server has the same resourceVersion; none, if
	// there must not be one.
	Replace(ctx context.Context, lease *coordinationv1.Lease) error
	// DeleteSame deletes the Lease if the one on the server has the same resourceVersion.
	DeleteSame(ctx context.Context, lease *coordinationv1.Lease) error
	ListSince(
		ctx context.Context, kind, namespace string, labels map[string]string, version string,
	) ([]kube.Object, error)
}

// Duration is how long a run holds a lock without renewing it: after that another run may take it
// over.
const Duration = time.Minute

const (
	renewEvery = 15 * time.Second
	// lostAfter is when a run that could not renew stops changing anything, so that its last
	// request has ended when another run takes over.
	lostAfter = 40 * time.Second
)

// ErrLost ends the changes of a run that does not hold the lock any more.
var ErrLost = errors.New(
	"the lock was taken over: this run was silent for too long, or somebody changed its Lease",
)

// Options say whose access a lock is about, and who takes it.
type Options struct {
	Account types.NamespacedName
	Marks   owner.Marks // of the run, for others to see who holds the lock
	Holder  string      // unlike every other run's
	Now     func() time.Time
}

// Lock is the Lease that represents the access of one ServiceAccount. It says which run is changing
// that access, if any, and which declared access is in effect.
type Lock struct {
	api  API
	opts Options

	mu   sync.Mutex
	seen *coordinationv1.Lease // the Lease when last read or written; nil: it does not exist
	held bool
	lost bool // it was held, and is another run's now
	stop func()
}

// New prepares a lock; nothing is asked yet.
func New(api API, opts Options) *Lock { return &Lock{api: api, opts: opts, stop: func() {}} }

// Ref names the lock's Lease.
func (l *Lock) Ref() kube.Ref { return RefOf(l.opts.Account) }

// Read looks at the lock.
func (l *Lock) Read(ctx context.Context) error {
	seen := &coordinationv1.Lease{TypeMeta: kube.TypeMeta("Lease")}
	seen.Namespace = l.Ref().Namespace
	seen.Name = l.Ref().Name
	err := l.api.Get(ctx, seen)
	if apierrors.IsNotFound(err) {
		seen = nil
		err = nil
	}
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.seen = seen
	}
	return err
}

// Exists says whether there was a lock when it was last read.
func (l *Lock) Exists() bool { return l.lastSeen() != nil }

// IsForeign says whether a Lease with the lock's name exists that is not ours.
func (l *Lock) IsForeign() bool {
	seen := l.lastSeen()
	return seen != nil && !kube.IsManaged(seen, l.opts.Account)
}

// InEffect returns the hash of the access that is in effect according to the lock, or "" if it does
// not say.
func (l *Lock) InEffect() string {
	seen := l.lastSeen()
	if seen == nil {
		return ""
	}
	return seen.Annotations[kube.AnnotationAccess]
}

// IsBusy says whether another run held the lock when it was last read. A run that was silent for a
// minute holds it no longer, but what it has done to the access is unknown: see [Lock.IsStale].
func (l *Lock) IsBusy() bool {
	seen := l.lastSeen()
	return holderOf(seen) != "" && holderOf(seen) != l.opts.Holder && !l.IsStale()
}

// IsStale says whether the holder ended, or was cut off, without giving the lock back.
func (l *Lock) IsStale() bool {
	seen := l.lastSeen()
	return holderOf(seen) != "" && holderOf(seen) != l.opts.Holder &&
		l.opts.Now().Sub(lastWritten(seen)) > Duration
}

// IsSettled says whether the lock is free or does not exist: no run is in the middle of a change.
func (l *Lock) IsSettled() bool { return holderOf(l.lastSeen()) == "" }

// WrittenWithin says whether the lock was taken or given back a moment ago: then not every API
// server may know yet that access was removed.
func (l *Lock) WrittenWithin(moment time.Duration) bool {
	seen := l.lastSeen()
	return seen != nil && l.opts.Now().Sub(lastWritten(seen)) < moment
}

// DescribeHolder says who holds the lock, for a person.
func (l *Lock) DescribeHolder() string {
	seen := l.lastSeen()
	if seen == nil {
		return l.Ref().String()
	}
	until := lastWritten(seen).Add(Duration).UTC().Format(time.RFC3339)
	return fmt.Sprintf(
		"its lock, %s, is held%s until %s or longer", l.Ref(), describeOwner(seen), until,
	)
}

func (l *Lock) lastSeen() *coordinationv1.Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

// lastWritten returns when the API server last wrote the Lease, by its own clock: renewTime is only
// the holder's claim.
func lastWritten(lease *coordinationv1.Lease) time.Time {
	last := lease.CreationTimestamp.Time
	for _, entry := range lease.ManagedFields {
		if entry.Time != nil && entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	return last
}

// Take takes the lock for this run, unless it has changed since it was last read, and says whether
// it did. The lock keeps the hash of the access that was in effect before, if that is known.
func (l *Lock) Take(ctx context.Context) (bool, error) {
	if l.IsBusy() || l.IsForeign() {
		return false, nil
	}
	inEffect := l.InEffect()
	if l.IsStale() { // its holder may have been in the middle of a change
		inEffect = ""
	}
	err := l.replaceLease(ctx, l.opts.Holder, inEffect)
	if !apierrors.IsConflict(err) {
		return err == nil, err
	}
	if err := l.Read(ctx); err != nil { // another run was faster, or an answer to this one was lost
		return false, err
	}
	return l.setHeld(holderOf(l.lastSeen()) == l.opts.Holder), nil
}

// TryTaking sends the write that Take would send through a dry-run client. The lock does not
// change.
func (l *Lock) TryTaking(ctx context.Context, dry API) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := dry.Replace(ctx, l.newLease(l.opts.Holder, ""))
	if apierrors.IsConflict(err) { // another run was there meanwhile
		return nil
	}
	return err
}

func (l *Lock) setHeld(held bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	return held
}

// replaceLease replaces the lock as it was last seen. Holder "" gives it back.
func (l *Lock) replaceLease(ctx context.Context, by, inEffect string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	lease := l.newLease(by, inEffect)
	if err := l.api.Replace(ctx, lease); err != nil {
		return err
	}
	l.seen = lease
	l.held = by != ""
	l.lost = false
	return nil
}

func (l *Lock) newLease(by, inEffect string) *coordinationv1.Lease {
	marks := l.opts.Marks
	marks.ExpiresAt = time.Time{}
	marks.Access = inEffect
	now := metav1.NewMicroTime(l.opts.Now())
	seconds := int32(Duration / time.Second)
	lease := &coordinationv1.Lease{
		TypeMeta: kube.TypeMeta("Lease"),
		ObjectMeta: metav1.ObjectMeta{
			Namespace: l.Ref().Namespace, Name: l.Ref().Name,
			Labels: marks.LabelsFor(l.opts.Account), Annotations: marks.Annotations(),
		},
		Spec: coordinationv1.LeaseSpec{LeaseDurationSeconds: &seconds, RenewTime: &now},
	}
	if by != "" {
		lease.Spec.HolderIdentity = &by
	}
	if l.seen != nil {
		lease.UID = l.seen.UID
		lease.ResourceVersion = l.seen.ResourceVersion
	}
	return lease
}

// IsHeld says whether this run holds the lock, as far as it knows.
func (l *Lock) IsHeld() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held
}

// WasLost says whether this run held the lock and lost it.
func (l *Lock) WasLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// Release gives the lock back, and records which access is in effect: "" if that is unknown. It
// fails with [ErrLost] if another run holds the lock by now.
func (l *Lock) Release(ctx context.Context, inEffect string) error {
	l.stop()
	if !l.IsHeld() {
		return ErrLost
	}
	err := l.replaceLease(ctx, "", inEffect)
	if !apierrors.IsConflict(err) {
		return err
	}
	if err := l.Read(ctx); err != nil {
		return err
	}
	switch holderOf(l.lastSeen()) {
	case l.opts.Holder:
		return l.replaceLease(ctx, "", inEffect)
	case "": // an answer to this one was lost
		l.setHeld(false)
		return nil
	}
	l.setHeld(false)
	return ErrLost
}
