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

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
)

// API is what this room asks of the API server.
type API interface {
	Get(ctx context.Context, o kube.Object) error
	// Replace writes the Lease if the one on the server has the same resourceVersion; none, if there must not
	// be one.
	Replace(ctx context.Context, lease *coordinationv1.Lease) error
	// DeleteSame deletes the Lease if the one on the server has the same resourceVersion.
	DeleteSame(ctx context.Context, lease *coordinationv1.Lease) error
	ListSince(
		ctx context.Context, kind, namespace string, labels map[string]string, version string,
	) ([]kube.Object, error)
}

// Duration is how long a lock is held by a run that is silent: after that it is another run's to take over.
const Duration = time.Minute

const (
	renewEvery = 15 * time.Second
	// lostAfter is when a run that could not renew stops to change anything, so that its last request has
	// ended when another run takes over.
	lostAfter = 40 * time.Second
)

// ErrLost ends the changes of a run that does not hold the lock any more.
var ErrLost = errors.New("the lock was taken over: this run was silent for too long, or somebody changed its Lease")

// Options are what a lock is about.
type Options struct {
	Account types.NamespacedName
	Marks   access.Marks // of the run, for others to see who holds the lock
	Holder  string       // unlike every other run's
	Now     func() time.Time
}

// Lock is the Lease that stands for the access of one ServiceAccount. It says who is changing that access,
// if anybody is, and which declared access is in effect.
type Lock struct {
	api  API
	opts Options

	mu   sync.Mutex
	seen *coordinationv1.Lease // as it was last read or written; nil: there is none
	held bool
	lost bool // it was held, and is another run's now
	stop func()
}

// New prepares a lock; nothing is asked yet.
func New(api API, opts Options) *Lock { return &Lock{api: api, opts: opts, stop: func() {}} }

// Ref names the lock's Lease.
func (l *Lock) Ref() kube.Ref { return access.LockOf(l.opts.Account) }

// Read looks at the lock.
func (l *Lock) Read(ctx context.Context) error {
	seen := &coordinationv1.Lease{TypeMeta: kube.TypeMeta("Lease")}
	seen.Namespace, seen.Name = l.Ref().Namespace, l.Ref().Name
	err := l.api.Get(ctx, seen)
	if apierrors.IsNotFound(err) {
		seen, err = nil, nil
	}
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.seen = seen
	}
	return err
}

// Exists says whether there was a lock when it was last read.
func (l *Lock) Exists() bool { return l.last() != nil }

// Foreign says whether a Lease of the lock's name is there that is not ours.
func (l *Lock) Foreign() bool {
	seen := l.last()
	return seen != nil && !kube.Managed(seen, l.opts.Account)
}

// InEffect is the hash of the access that the lock says is in effect, "" where it does not say.
func (l *Lock) InEffect() string {
	seen := l.last()
	if seen == nil {
		return ""
	}
	return seen.Annotations[kube.AnnotationAccess]
}

// Busy says whether another run held the lock when it was last read. A run that was silent for a minute
// holds it no longer, but what it has done to the access is unknown: see [Lock.Stale].
func (l *Lock) Busy() bool {
	seen := l.last()
	return holder(seen) != "" && holder(seen) != l.opts.Holder && !l.Stale()
}

// Stale says whether the lock is that of a run which ended, or was cut off, while it held it.
func (l *Lock) Stale() bool {
	seen := l.last()
	return holder(seen) != "" && holder(seen) != l.opts.Holder && l.opts.Now().Sub(lastWritten(seen)) > Duration
}

// Settled says whether the lock is free, or not there: nobody is in the middle of a change.
func (l *Lock) Settled() bool { return holder(l.last()) == "" }

// WrittenWithin says whether the lock was taken or given back a moment ago: then what was taken away may
// not have reached every API server.
func (l *Lock) WrittenWithin(moment time.Duration) bool {
	seen := l.last()
	return seen != nil && l.opts.Now().Sub(lastWritten(seen)) < moment
}

// Describe says who holds the lock, for a person.
func (l *Lock) Describe() string {
	seen := l.last()
	if seen == nil {
		return l.Ref().String()
	}
	until := lastWritten(seen).Add(Duration).UTC().Format(time.RFC3339)
	return fmt.Sprintf("its lock, %s, is held%s until %s or longer", l.Ref(), whose(seen), until)
}

func (l *Lock) last() *coordinationv1.Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

func holder(lease *coordinationv1.Lease) string {
	if lease == nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// lastWritten is when the API server last wrote the Lease, by its own clock: what renewTime says is only
// the holder's word.
func lastWritten(lease *coordinationv1.Lease) time.Time {
	last := lease.CreationTimestamp.Time
	for _, entry := range lease.ManagedFields {
		if entry.Time != nil && entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	return last
}

// Take makes the lock this run's, if it is still as it was last read. It says whether it is. The hash
// stays that of the access that was in effect before, if that is known.
func (l *Lock) Take(ctx context.Context) (bool, error) {
	if l.Busy() || l.Foreign() {
		return false, nil
	}
	inEffect := l.InEffect()
	if l.Stale() { // whoever held it may have been in the middle of a change
		inEffect = ""
	}
	err := l.write(ctx, l.opts.Holder, inEffect)
	if !apierrors.IsConflict(err) {
		return err == nil, err
	}
	if err := l.Read(ctx); err != nil { // another run was faster, or an answer to this one was lost
		return false, err
	}
	return l.mark(holder(l.last()) == l.opts.Holder), nil
}

// Try writes the lock by way of another client, a dry one, as Take would. It stays as it is.
func (l *Lock) Try(ctx context.Context, dry API) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := dry.Replace(ctx, l.manifest(l.opts.Holder, ""))
	if apierrors.IsConflict(err) { // another run was there meanwhile
		return nil
	}
	return err
}

func (l *Lock) mark(held bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
	return held
}

// write replaces the lock as it was last seen. Holder "" gives it back.
func (l *Lock) write(ctx context.Context, by, inEffect string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	lease := l.manifest(by, inEffect)
	if err := l.api.Replace(ctx, lease); err != nil {
		return err
	}
	l.seen, l.held, l.lost = lease, by != "", false
	return nil
}

func (l *Lock) manifest(by, inEffect string) *coordinationv1.Lease {
	marks := l.opts.Marks
	marks.ExpiresAt, marks.Access = time.Time{}, inEffect
	now, seconds := metav1.NewMicroTime(l.opts.Now()), int32(Duration/time.Second)
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
		lease.UID, lease.ResourceVersion = l.seen.UID, l.seen.ResourceVersion
	}
	return lease
}

// Held says whether this run holds the lock, as far as it knows.
func (l *Lock) Held() bool {
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

// Keep renews the lock until it is given back. The context that it returns ends with [ErrLost] when the
// lock is lost.
func (l *Lock) Keep(ctx context.Context) context.Context {
	ctx, lose := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.renew(ctx, lose)
	}()
	l.stop = sync.OnceFunc(func() {
		lose(context.Canceled)
		<-done
	})
	return ctx
}

func (l *Lock) renew(ctx context.Context, lose context.CancelCauseFunc) {
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(renewEvery):
		}
		limited, cancel := context.WithDeadline(ctx, last.Add(lostAfter))
		sent := time.Now()
		err := l.write(limited, l.opts.Holder, l.InEffect())
		if apierrors.IsConflict(err) && l.Read(limited) == nil && holder(l.last()) == l.opts.Holder {
			err = l.write(limited, l.opts.Holder, l.InEffect()) // somebody changed a label, and no more
		}
		cancel()
		switch {
		case err == nil:
			last = sent
		case ctx.Err() != nil:
			return
		case apierrors.IsConflict(err), time.Since(last) > lostAfter-renewEvery:
			l.mark(false)
			l.mu.Lock()
			l.lost = true
			l.mu.Unlock()
			lose(ErrLost)
			return
		}
	}
}

// Give gives the lock back, and says which access is in effect: "" where that is not known. It fails with
// [ErrLost] where the lock is another run's by now.
func (l *Lock) Give(ctx context.Context, inEffect string) error {
	l.stop()
	if !l.Held() {
		return ErrLost
	}
	err := l.write(ctx, "", inEffect)
	if !apierrors.IsConflict(err) {
		return err
	}
	if err := l.Read(ctx); err != nil {
		return err
	}
	switch holder(l.last()) {
	case l.opts.Holder:
		return l.write(ctx, "", inEffect)
	case "": // an answer to this one was lost
		l.mark(false)
		return nil
	}
	l.mark(false)
	return ErrLost
}
