package lock_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/owner"
)

var (
	account = types.NamespacedName{Namespace: "bots", Name: "ci"}
	leases  = schema.GroupResource{Resource: "leases"}
)

// api is one Lease, the lock, and a list of others. It compares versions as the API server does.
type api struct {
	mu     sync.Mutex
	lock   *coordinationv1.Lease
	others []kube.Object
	lost   bool // the next write is carried out, and its answer is that of a repeated one
	fail   error
	// a context that has ended ends its requests, as a connection's would
	needsTime bool
	since     string // of the last list
}

func (a *api) Get(_ context.Context, o kube.Object) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lock == nil {
		return apierrors.NewNotFound(leases, o.GetName())
	}
	a.lock.DeepCopyInto(o.(*coordinationv1.Lease))
	return nil
}

func (a *api) Replace(ctx context.Context, lease *coordinationv1.Lease) error {
	if a.needsTime && ctx.Err() != nil {
		return ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	version := 0
	if a.lock != nil {
		version, _ = strconv.Atoi(a.lock.ResourceVersion)
	}
	switch {
	case a.fail != nil:
		return a.fail
	case a.lock == nil && lease.ResourceVersion != "", a.lock != nil && lease.ResourceVersion != a.lock.ResourceVersion:
		return apierrors.NewConflict(leases, lease.Name, errors.New("changed"))
	}
	a.lock = lease.DeepCopy()
	a.lock.ResourceVersion = strconv.Itoa(version + 1)
	at := metav1.NewTime(time.Now())
	a.lock.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubemint", Time: &at}}
	if a.lost {
		a.lost = false
		return apierrors.NewConflict(leases, lease.Name, errors.New("changed"))
	}
	a.lock.DeepCopyInto(lease)
	return nil
}

func (a *api) DeleteSame(_ context.Context, lease *coordinationv1.Lease) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lock == nil {
		return apierrors.NewNotFound(leases, lease.Name)
	}
	if a.lock.ResourceVersion != lease.ResourceVersion {
		return apierrors.NewConflict(leases, lease.Name, errors.New("changed"))
	}
	a.lock = nil
	return nil
}

func (a *api) ListSince(_ context.Context, _, _ string, _ map[string]string, version string) ([]kube.Object, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.since = version
	return a.others, a.fail
}

func (a *api) holder() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lock == nil || a.lock.Spec.HolderIdentity == nil {
		return ""
	}
	return *a.lock.Spec.HolderIdentity
}

func open(t *testing.T, a *api, holder string) *lock.Lock {
	t.Helper()
	l := lock.New(a, lock.Options{Account: account, Holder: holder, Now: time.Now, Marks: owner.Marks{Owner: "github:acme/shop", Run: holder}})
	if err := l.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func take(t *testing.T, l *lock.Lock, want bool) {
	t.Helper()
	if taken, err := l.Take(t.Context()); taken != want || err != nil || l.IsHeld() != want {
		t.Fatalf("taken %t, held %t, %v", taken, l.IsHeld(), err)
	}
}

func TestLock_OneAtATime(t *testing.T) {
	t.Parallel()
	a := &api{}
	one, two := open(t, a, "one"), open(t, a, "two")
	take(t, one, true)
	take(t, two, false) // both had seen that there was none
	if !two.IsBusy() || two.IsSettled() || two.IsStale() || !strings.Contains(two.DescribeHolder(), "run one") {
		t.Error(two.DescribeHolder())
	}
	take(t, two, false)
	if err := one.Release(t.Context(), "abc"); err != nil || one.IsHeld() || a.holder() != "" {
		t.Fatal(err)
	}
	if err := two.Read(t.Context()); err != nil || two.InEffect() != "abc" || !two.IsSettled() {
		t.Fatal(err, two.InEffect())
	}
	take(t, two, true)
	if err := two.Release(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if err := one.Read(t.Context()); err != nil || one.InEffect() != "" {
		t.Errorf("%v: it says that %q is in effect, which nobody knows", err, one.InEffect())
	}
}

// The answer to a write is lost, and its repetition is refused: the lock says whose it is.
func TestLock_AnswerIsLost(t *testing.T) {
	t.Parallel()
	a := &api{}
	one := open(t, a, "one")
	a.lost = true
	take(t, one, true)
	a.lost = true
	if err := one.Release(t.Context(), "abc"); err != nil || a.holder() != "" || one.IsHeld() {
		t.Error(err, a.holder())
	}
}

func TestLock_StaleIsTakenOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &api{}
		first := open(t, a, "first")
		take(t, first, true)
		if err := first.Release(t.Context(), "abc"); err != nil {
			t.Fatal(err)
		}
		take(t, open(t, a, "killed"), true)
		two := open(t, a, "two")
		if two.InEffect() != "abc" {
			t.Errorf("while it is held it says %q", two.InEffect())
		}
		time.Sleep(59 * time.Second)
		take(t, two, false)
		time.Sleep(2 * time.Second)
		if !two.IsStale() || two.IsBusy() || two.IsSettled() {
			t.Error("a lock that was held for a minute in silence is another run's to take, and not free")
		}
		take(t, two, true)
		if two.InEffect() != "" {
			t.Error("nobody knows what the run that was killed has changed")
		}
	})
}

// What a holder says of its own time counts for nothing: the API server's note of the last write does.
func TestLock_HolderClaimsTheFuture(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &api{}
		take(t, open(t, a, "liar"), true)
		future := metav1.NewMicroTime(time.Now().Add(1000 * time.Hour))
		a.lock.Spec.RenewTime = &future
		time.Sleep(61 * time.Second)
		take(t, open(t, a, "two"), true)
	})
}

func TestLock_IsRenewedWhileHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &api{}
		one := open(t, a, "one")
		take(t, one, true)
		under := one.KeepRenewed(t.Context())
		time.Sleep(10 * time.Minute)
		two := open(t, a, "two")
		take(t, two, false)
		if err := one.Release(t.Context(), "abc"); err != nil {
			t.Fatal(err)
		}
		if err := context.Cause(under); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// A run that cannot renew stops before another one may take over, and never gives back what is another's.
func TestLock_IsLost(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(a *api){
		"the API server is away": func(a *api) { a.fail = errors.New("away") },
		"taken over": func(a *api) {
			a.lock.Spec.HolderIdentity, a.lock.ResourceVersion = new("two"), "77"
		},
		"given back by somebody": func(a *api) { a.lock.Spec.HolderIdentity, a.lock.ResourceVersion = nil, "77" },
		"deleted":                func(a *api) { a.lock = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &api{}
				one := open(t, a, "one")
				take(t, one, true)
				under, start := one.KeepRenewed(t.Context()), time.Now()
				a.mu.Lock()
				lose(a)
				a.mu.Unlock()
				<-under.Done()
				if took := time.Since(start); !errors.Is(context.Cause(under), lock.ErrLost) || took >= lock.Duration || one.IsHeld() || !one.WasLost() {
					t.Errorf("after %s: %v", took, context.Cause(under))
				}
				if err := one.Release(t.Context(), "abc"); !errors.Is(err, lock.ErrLost) {
					t.Error(err)
				}
			})
		})
	}
}

func TestLock_SomebodyLabelsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &api{}
		one := open(t, a, "one")
		take(t, one, true)
		under := one.KeepRenewed(t.Context())
		a.mu.Lock()
		a.lock.ResourceVersion = "7"
		a.mu.Unlock()
		time.Sleep(20 * time.Second)
		if under.Err() != nil || !one.IsHeld() {
			t.Error(context.Cause(under))
		}
		a.mu.Lock()
		a.lock.ResourceVersion = "70"
		a.mu.Unlock()
		if err := one.Release(t.Context(), "abc"); err != nil || a.holder() != "" {
			t.Error(err)
		}
	})
}

func TestLock_IsAnothersLease(t *testing.T) {
	t.Parallel()
	a := &api{lock: &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "kubemint-ci", ResourceVersion: "1"}}}
	one := open(t, a, "one")
	if !one.IsForeign() {
		t.Error("it has none of our labels")
	}
	take(t, one, false)
}

func lease(name, hash, expires string) kube.Object {
	o := &coordinationv1.Lease{TypeMeta: kube.TypeMeta("Lease"), ObjectMeta: metav1.ObjectMeta{Namespace: "bots", Name: name, Annotations: map[string]string{}}}
	for key, value := range map[string]string{"kubemint/access": hash, "kubemint/expires-at": expires, "kubemint/job": "deploy"} {
		if value != "" {
			o.Annotations[key] = value
		}
	}
	return o
}

// A lease that may depend on other access is in the way. One that cannot be read counts as in the way, and is never ignored.
func TestOthers(t *testing.T) {
	t.Parallel()
	in, past := time.Now().Add(time.Hour).UTC().Format(time.RFC3339), time.Now().Add(-121*time.Second).UTC().Format(time.RFC3339)
	for name, tt := range map[string]struct {
		lease            kube.Object
		inTheWay, warned bool
	}{
		"the same access":             {lease("kubemint-ci-abcdefgh23", "abc", in), false, false},
		"other access":                {lease("kubemint-ci-abcdefgh23", "xyz", in), true, false},
		"other access, expired":       {lease("kubemint-ci-abcdefgh23", "xyz", past), false, false},
		"no access":                   {lease("kubemint-ci-abcdefgh23", "", in), true, false},
		"no access, expired":          {lease("kubemint-ci-abcdefgh23", "", past), false, false},
		"no expiry":                   {lease("kubemint-ci-abcdefgh23", "xyz", ""), true, false},
		"the same access, no expiry":  {lease("kubemint-ci-abcdefgh23", "abc", ""), true, false},
		"an expiry that is no time":   {lease("kubemint-ci-abcdefgh23", "abc", "tomorrow"), true, false},
		"an expiry without a zone":    {lease("kubemint-ci-abcdefgh23", "abc", "2026-01-02T03:04:05"), true, false},
		"access with a line break":    {lease("kubemint-ci-abcdefgh23", "abc\n", in), true, false},
		"access in another case":      {lease("kubemint-ci-abcdefgh23", "ABC", in), true, false},
		"declares nothing":            {lease("kubemint-ci-abcdefgh23", access.Undeclared, in), false, true},
		"declares nothing, no expiry": {lease("kubemint-ci-abcdefgh23", access.Undeclared, ""), true, false},
		"the lock":                    {lease("kubemint-ci", "xyz", ""), false, false},
		"this run's own":              {lease("kubemint-ci-mine222222", "xyz", in), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &api{others: []kube.Object{tt.lease}}
			inTheWay, undeclared, err := open(t, a, "one").ListOthers(t.Context(), "abc", []string{"kubemint-ci-mine222222"})
			if err != nil || (len(inTheWay) == 1) != tt.inTheWay || (len(undeclared) == 1) != tt.warned {
				t.Errorf("in the way %v, undeclared %v, %v", inTheWay, undeclared, err)
			}
			for _, c := range inTheWay {
				said := c.String()
				if !strings.Contains(said, "Lease bots/kubemint-ci-abcdefgh23 (job deploy)") || !strings.Contains(said, " lives ") {
					t.Error(said)
				}
			}
		})
	}
}

// While the lock is held, no list may be older than it.
func TestOthers_SinceTheLockWasTaken(t *testing.T) {
	t.Parallel()
	a := &api{}
	one := open(t, a, "one")
	if _, _, err := one.ListOthers(t.Context(), "abc", nil); err != nil || a.since != "0" {
		t.Error(err, a.since)
	}
	take(t, one, true)
	if _, _, err := one.ListOthers(t.Context(), "abc", nil); err != nil || a.since != "1" {
		t.Error(err, a.since)
	}
	a.fail = errors.New("forbidden")
	if _, _, err := one.ListOthers(t.Context(), "abc", nil); err == nil {
		t.Error("a list that failed is taken for an empty one")
	}
}
