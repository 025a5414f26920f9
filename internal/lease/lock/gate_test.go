package lock_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
)

// explaining explains errors as the client does, as far as a gate can tell: with a code.
type explaining struct{ *api }

func (explaining) Explain(code problem.Code, op string, err error) error {
	if err == nil {
		return nil
	}
	return problem.New(code, op, err)
}

// said is a log.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) Printf(format string, args ...any) { s.add(fmt.Sprintf(format, args...)) }
func (s *said) Warnf(format string, args ...any)  { s.add("warning: " + fmt.Sprintf(format, args...)) }

func (s *said) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

const declared = "0123456789abcdef" // the hash of what a run declares

// openGate is the gate of a run that declares that access.
func openGate(t *testing.T, a *api, change func(*lock.GateOptions)) (*lock.Gate, *said) {
	t.Helper()
	log := &said{}
	wants := lock.GateOptions{
		Hash: declared, Timeout: "2m", Advice: []string{"name another `service_account`"}, Log: log,
	}
	change(&wants)
	about := lock.Options{Account: account, Holder: "mine", Now: time.Now, Marks: owner.Marks{Run: "mine"}}
	gate := lock.NewGate(explaining{a}, about, wants)
	if err := gate.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	return gate, log
}

func usual(*lock.GateOptions) {}

// addLease adds a live credential that was promised the access of a hash.
func (a *api) addLease(name, hash string, age time.Duration) {
	its := &coordinationv1.Lease{TypeMeta: kube.TypeMeta("Lease"), ObjectMeta: metav1.ObjectMeta{
		Namespace: account.Namespace, Name: name, Labels: kube.LabelsFor(account),
		CreationTimestamp: metav1.NewTime(time.Now().Add(-age)),
		Annotations: map[string]string{
			kube.AnnotationAccess:    hash,
			kube.AnnotationExpiresAt: time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
		},
	}}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.others = append(a.others, its)
}

func (a *api) clearLeases() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.others = nil
}

// inEffect is the access that the lock on the server says is in effect.
func (a *api) inEffect() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lock.Annotations[kube.AnnotationAccess]
}

const (
	theirs = "kubemint-ci-abcdefg234"
	later  = "kubemint-ci-bcdefg2345"
)

// A Lease of the lock's name that kubemint did not make is never taken. The refusal first says how to
// keep it.
func TestGate_RefusesAForeignLease(t *testing.T) {
	t.Parallel()
	a := &api{lock: &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "bots", Name: "kubemint-ci"}}}
	gate, _ := openGate(t, a, usual)
	p, _ := errors.AsType[*problem.Error](gate.CheckLock(t.Context()))
	if p == nil || p.Code != problem.Rights || len(p.Hints) != 2 {
		t.Fatalf("%+v", p)
	}
	if !strings.Contains(p.Hints[1], "kubectl -n bots delete lease kubemint-ci") {
		t.Error(p.Hints)
	}
}

// Another run's lock is an obstacle until it is given back.
func TestGate_HeldLockIsAnObstacle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &api{}
		other := open(t, a, "other")
		take(t, other, true)
		gate, log := openGate(t, a, usual)
		inTheWay, err := gate.SeizeLock(t.Context())
		if err != nil || inTheWay == nil || gate.IsHeld() {
			t.Fatal(err)
		}
		time.AfterFunc(5*time.Second, func() { _ = other.Release(context.Background(), declared) })
		if err := gate.AwaitObstacle(t.Context(), inTheWay); err != nil {
			t.Fatal(err)
		}
		if inTheWay, err = gate.SeizeLock(t.Context()); err != nil || inTheWay != nil || !gate.IsHeld() {
			t.Errorf("the lock is not this run's: %v", err)
		}
		if !strings.Contains(log.String(), "this run waits for up to 2m: its lock, Lease bots/kubemint-ci, is held") {
			t.Error(log)
		}
	})
}

// Who is in the way of a change is whoever was promised other access. What was promised nothing is
// warned of alone, and take_ownership makes a warning of everything.
func TestFindDependents(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		hash string
		take bool
		mine string
		way  bool
		says string
	}{
		"the same access":  {hash: declared},
		"other access":     {hash: "other", way: true},
		"promised nothing": {hash: access.Undeclared, says: "warning: access changes under a live credential: Lease bots/" + theirs},
		"take_ownership":   {hash: "other", take: true, says: "warning: access changes under a live credential: Lease bots/" + theirs},
		"it is replaced":   {hash: "other", mine: theirs},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &api{}
			a.addLease(theirs, tt.hash, time.Hour)
			gate, log := openGate(t, a, func(wants *lock.GateOptions) { wants.TakeOwnership = tt.take })
			gate.Mine = []string{tt.mine}
			inTheWay, err := gate.FindDependents(t.Context())
			if err != nil || (inTheWay != nil) != tt.way {
				t.Errorf("in the way %t: %v", inTheWay != nil, err)
			}
			if (tt.says == "") != (log.String() == "") || !strings.Contains(log.String(), tt.says) {
				t.Error(log)
			}
		})
	}
}

// A run that declares no access changes nothing that a credential depends on, and asks nobody.
func TestFindDependents_RunThatDeclaresNothing(t *testing.T) {
	t.Parallel()
	a := &api{}
	a.addLease(theirs, "other", time.Hour)
	gate, _ := openGate(t, a, func(wants *lock.GateOptions) { wants.Hash = access.Undeclared })
	if inTheWay, err := gate.FindDependents(t.Context()); err != nil || inTheWay != nil || a.since != "" {
		t.Errorf("in the way %t, listed since %q: %v", inTheWay != nil, a.since, err)
	}
}

// A run that made its lease a moment before the lock was taken finds it held, and withdraws: it is
// given a moment. An older lease is of a credential in use, and a later one's run waits itself.
func TestFindDependents_AwaitsWithdrawal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		age      time.Duration
		withdraw bool
		waits    bool
		way      bool
	}{
		"it withdraws":                 {age: time.Second, withdraw: true, waits: true},
		"it does not":                  {age: time.Second, waits: true, way: true},
		"a credential in use":          {age: time.Minute, way: true},
		"a credential that ends later": {age: time.Minute, withdraw: true, way: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &api{}
				a.addLease(theirs, "other", tt.age)
				gate, _ := openGate(t, a, usual)
				take(t, gate.Lock, true)
				time.AfterFunc(time.Second, func() {
					if tt.withdraw {
						a.clearLeases()
						a.addLease(later, "other", 0) // of a run that will find the lock held
					}
				})
				start := time.Now()
				inTheWay, err := gate.FindDependents(t.Context())
				if err != nil || (inTheWay != nil) != tt.way || (time.Since(start) > 0) != tt.waits {
					t.Errorf("in the way %t after %s: %v", inTheWay != nil, time.Since(start), err)
				}
				time.Sleep(2 * time.Second) // of the bubble: its timers have to be over
			})
		})
	}
}

// A run whose time is over names who was in the way and what to do: the caller's advice first, then
// the command that ends the credential.
func TestAwaitObstacle_RefusesWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &api{}
		a.addLease(theirs, "other", time.Hour)
		gate, log := openGate(t, a, usual)
		for range 2 {
			inTheWay, err := gate.FindDependents(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			p, _ := errors.AsType[*problem.Error](gate.AwaitObstacle(ctx, inTheWay))
			if p == nil || p.Code != problem.Rights || !strings.Contains(p.Error(), "Lease bots/"+theirs+" lives until ") {
				t.Fatalf("%v", p)
			}
			want := []string{
				"name another `service_account`", "or end it: its job fails from then on:  kubectl -n bots delete lease " + theirs,
				"or set `take_ownership: true`: the access changes under it",
			}
			if strings.Join(p.Hints, "\n") != strings.Join(want, "\n") {
				t.Errorf("%q", p.Hints)
			}
		}
		if strings.Count(log.String(), "cannot change yet") != 1 {
			t.Errorf("that it waits is not said once:\n%s", log)
		}
	})
}

// A lock that is never given back has no lease that a person could delete.
func TestAwaitObstacle_LockThatIsHeldForever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &api{}
		other := open(t, a, "other")
		take(t, other, true)
		other.KeepRenewed(t.Context())
		gate, _ := openGate(t, a, usual)
		inTheWay, err := gate.SeizeLock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		p, _ := errors.AsType[*problem.Error](gate.AwaitObstacle(ctx, inTheWay))
		if p == nil || !strings.Contains(p.Hints[len(p.Hints)-1], "the lock of a run that was killed is free after a minute") {
			t.Errorf("%+v", p)
		}
		_ = other.Release(t.Context(), "")
	})
}

// A signal is not a refusal of anybody's rights.
func TestAwaitObstacle_Signal(t *testing.T) {
	t.Parallel()
	a := &api{}
	a.addLease(theirs, "other", time.Hour)
	gate, _ := openGate(t, a, usual)
	inTheWay, err := gate.FindDependents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancelCause(t.Context())
	signal := errors.New("interrupted")
	interrupt(signal)
	err = gate.AwaitObstacle(ctx, inTheWay)
	if !errors.Is(err, signal) || problem.ExitCode(err) != int(problem.Mint) {
		t.Error(err)
	}
}

// Any other failure while a run waits is its own, as long as there is time.
func TestInTime(t *testing.T) {
	t.Parallel()
	a := &api{}
	gate, _ := openGate(t, a, usual)
	failure := errors.New("away")
	if err := gate.InTime(t.Context(), &lock.Obstacle{}, failure); !errors.Is(err, failure) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if err := gate.InTime(ctx, &lock.Obstacle{}, failure); problem.ExitCode(err) != int(problem.Rights) {
		t.Error(err)
	}
	if err := gate.InTime(ctx, nil, failure); !errors.Is(err, failure) {
		t.Errorf("nothing was in the way: %v", err)
	}
}

// What the lock says afterwards is in effect: the declared access after a change that found and left
// it so, what was before where nothing was changed, and nothing where that is not known.
func TestChangeAccess_SaysWhatIsInEffect(t *testing.T) {
	t.Parallel()
	refusal := errors.New("refused")
	for name, tt := range map[string]struct {
		before         string
		look, change   error
		changed, fails bool
		want           string
	}{
		"as declared before":  {before: declared, changed: true, want: declared},
		"other access before": {before: "other", changed: true, want: ""},
		"look refuses":        {before: "other", look: refusal, fails: true, want: "other"},
		"change fails":        {before: declared, change: refusal, changed: true, fails: true, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &api{}
			before := open(t, a, "before")
			take(t, before, true)
			if err := before.Release(t.Context(), tt.before); err != nil {
				t.Fatal(err)
			}
			gate, _ := openGate(t, a, usual)
			changed := false
			err := gate.ChangeAccess(t.Context(),
				func(context.Context) error {
					if a.holder() != "mine" {
						t.Error("it looks without the lock")
					}
					return tt.look
				},
				func(context.Context) error { changed = true; return tt.change },
			)
			if changed != tt.changed || (err != nil) != tt.fails || (tt.fails && !errors.Is(err, refusal)) {
				t.Errorf("changed %t: %v", changed, err)
			}
			if a.holder() != "" || a.inEffect() != tt.want {
				t.Errorf("the lock is held by %q, and says %q", a.holder(), a.inEffect())
			}
		})
	}
}

func TestChangeAccess_WaitsForTheLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &api{}
		other := open(t, a, "other")
		take(t, other, true)
		gate, _ := openGate(t, a, usual)
		time.AfterFunc(10*time.Second, func() { _ = other.Release(context.Background(), "") })
		changed := false
		err := gate.ChangeAccess(t.Context(), func(context.Context) error { return nil }, func(context.Context) error {
			changed = other.IsHeld() == false
			return nil
		})
		if err != nil || !changed {
			t.Errorf("changed %t: %v", changed, err)
		}
	})
}

// A run that loses the lock stops changing anything, and says so in place of its own error.
func TestChangeAccess_LockIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &api{}
		gate, _ := openGate(t, a, usual)
		err := gate.ChangeAccess(t.Context(), func(context.Context) error { return nil }, func(ctx context.Context) error {
			a.mu.Lock()
			thief := "thief"
			a.lock.Spec.HolderIdentity = &thief
			a.lock.ResourceVersion = "99"
			a.mu.Unlock()
			<-ctx.Done()
			return ctx.Err()
		})
		p, _ := errors.AsType[*problem.Error](err)
		if p == nil || !errors.Is(err, lock.ErrLost) || len(p.Hints) != 1 || a.holder() != "thief" {
			t.Errorf("%v; the lock is held by %q", err, a.holder())
		}
	})
}

// The lock of an account that is gone goes too, unless another run has taken it meanwhile.
func TestDeleteLock(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		meanwhile      func(t *testing.T, a *api)
		deleted, fails bool
	}{
		"given back":      {func(*testing.T, *api) {}, true, false},
		"taken meanwhile": {func(t *testing.T, a *api) { t.Helper(); take(t, open(t, a, "other"), true) }, false, true},
		"gone meanwhile":  {func(_ *testing.T, a *api) { a.lock = nil }, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &api{}
			gate, _ := openGate(t, a, usual)
			take(t, gate.Lock, true)
			if err := gate.GiveBack(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			tt.meanwhile(t, a)
			deleted, err := gate.DeleteLock(t.Context())
			if deleted != tt.deleted || (err != nil) != tt.fails {
				t.Errorf("deleted %t: %v", deleted, err)
			}
		})
	}
	gate, _ := openGate(t, &api{fail: nil}, usual)
	if deleted, err := gate.DeleteLock(t.Context()); deleted || err != nil {
		t.Errorf("there was none: %v", err)
	}
}

// A cancelled run gives the lock back all the same: others would wait for a minute.
func TestGiveBack_AfterASignal(t *testing.T) {
	t.Parallel()
	a := &api{needsTime: true}
	gate, _ := openGate(t, a, usual)
	take(t, gate.Lock, true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := gate.GiveBack(ctx, declared); err != nil || a.holder() != "" {
		t.Errorf("held by %q: %v", a.holder(), err)
	}
}
