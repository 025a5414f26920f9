package rehearsal

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/mint/changes"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/entry"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rights"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/test/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// clock is the API server's.
type clock struct{}

func (clock) Now() time.Time        { return noon }
func (clock) ServerTime() time.Time { return noon }

// world is an API server, and a rehearsal of a first run.
type world struct {
	*kubetest.Fake
	Rehearsal
	state entry.State
	log   *bytes.Buffer
}

func newWorld(t *testing.T, change func(*config.Access)) *world {
	t.Helper()
	w := &world{Fake: kubetest.StartFake(t, noon, "shop"), log: &bytes.Buffer{}}
	api, err := client.New(w.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	declared := config.Access{
		Namespaces: []string{"shop"}, ServiceAccount: types.NamespacedName{Namespace: "shop", Name: "ci"},
		Provisioning: config.Provisioning{CreateServiceAccount: true},
		Namespaced:   config.Grants{Rules: []rbacv1.PolicyRule{rules.NewRule("", "pods", "", "get")}},
	}
	change(&declared)
	desired := access.Desire(declared, owner.Marks{Owner: "github:acme/shop"})
	log := console.New(w.log)
	asked := config.Token{Lifetime: config.Lifetime{Duration: time.Hour}, Revoke: true}
	w.Rehearsal = Rehearsal{
		Server: api, Desired: desired, Log: log,
		Maker: changes.Maker{
			Server: api, Dry: api.Dry(), Desired: desired, Log: log, Ledger: changes.NewLedger(),
		},
		Issuer: credential.Issuer{Server: api, Desired: desired, Token: asked, Clock: clock{}, Log: log},
		Needed: rights.LeastRights(desired, asked, config.Expect{}, true),
	}
	waiting := entry.Waiting{Timeout: time.Minute, Now: clock{}.Now, Log: log}
	w.state.Gate = waiting.ToMint(api, desired)
	if w.state.Plan, err = access.Diff(desired, access.Observed{}); err != nil {
		t.Fatal(err)
	}
	return w
}

func usual(*config.Access) {}

// try rehearses the run, after a look at the lock as every plan takes it.
func (w *world) try(t *testing.T) error {
	t.Helper()
	if w.state.Gate != nil {
		if err := w.state.Gate.CheckLock(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return w.Try(t.Context(), w.state)
}

// putLock adds the lock as another run left it: held, or free with the access that is in effect.
func (w *world) putLock(t *testing.T, holder, inEffect string) {
	t.Helper()
	about := lock.Options{Account: w.Desired.Access.ServiceAccount, Holder: holder, Now: clock{}.Now}
	other := lock.New(w.Server, about)
	if taken, err := other.Take(t.Context()); err != nil || !taken {
		t.Fatal(taken, err)
	}
	if inEffect == "" {
		return
	}
	if err := other.Release(t.Context(), inEffect); err != nil {
		t.Fatal(err)
	}
}

func (w *world) putLease() string {
	its := lease.New(w.Desired.Access.ServiceAccount, owner.Marks{Transient: owner.Transient{Access: "other"}}, noon, time.Hour)
	w.Put(its)
	return its.Name
}

// settle has the run find all as it declares.
func (w *world) settle() {
	for i := range w.state.Plan.Changes {
		w.state.Plan.Changes[i].Verb = access.Unchanged
	}
}

// Everything that a run would ask is asked of a dry API server, and nothing of any other.
func TestTry_AsksWithoutChanging(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	if err := w.try(t); err != nil {
		t.Fatal(err)
	}
	if len(w.Writes()) > 0 || len(w.Objects()) > 0 {
		t.Errorf("sent %q", w.Writes())
	}
	for _, tried := range []string{
		"apply serviceaccounts shop/ci", "apply roles shop/kubemint:shop:ci", "apply rolebindings shop/kubemint:shop:ci",
		"create leases shop/kubemint-ci-…", "create secrets shop/kubemint-ci-…", "apply leases shop/kubemint-ci",
	} {
		if !slices.Contains(w.Asked(), tried+" (dry run)") {
			t.Errorf("did not try %s", tried)
		}
	}
}

// What the API server would refuse is found out before a run has begun anything.
func TestTry_RefusalIsFound(t *testing.T) {
	t.Parallel()
	for _, refused := range []string{
		"^apply roles", "^apply rolebindings", "^create leases", "^create secrets", "^apply leases",
	} {
		t.Run(refused, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, usual)
			w.Forbid(refused)
			if err := w.try(t); problem.ExitCode(err) != int(problem.Rights) {
				t.Errorf("%v", err)
			}
		})
	}
}

// In a namespace that is itself only planned nobody can be asked.
func TestTry_NamespaceThatIsOnlyPlanned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(declared *config.Access) {
		declared.CreateNamespace = true
		declared.Namespaces = []string{"fresh"}
		declared.ServiceAccount.Namespace = "fresh"
	})
	if err := w.try(t); err != nil {
		t.Fatal(err)
	}
	const only = "apply namespaces fresh (dry run)"
	if !slices.Contains(w.Asked(), only) {
		t.Errorf("asked %q", w.Asked())
	}
	for _, asked := range w.Asked() {
		if strings.HasSuffix(asked, "(dry run)") && asked != only {
			t.Errorf("asked %s", asked)
		}
	}
}

// What the runner lacks for lease, Secret and token is named at once, ready to paste: no dry run can
// find out whether it may request a token.
func TestTry_RightsThatTheRunnerLacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	w.Runner = []rbacv1.PolicyRule{rules.NewRule("", "secrets", "", "create")}
	err := w.try(t)
	p, _ := errors.AsType[*problem.Error](err)
	if p == nil || p.Code != problem.Rights || !strings.Contains(p.Error(), "lacks these rules in namespace shop") {
		t.Fatalf("%v", err)
	}
	details := strings.Join(p.Details, "\n")
	if !strings.Contains(details, "serviceaccounts/token") || strings.Contains(details, "secrets") {
		t.Errorf("lacks %s", details)
	}
	if slices.Contains(w.Asked(), "create leases shop/kubemint-ci-… (dry run)") {
		t.Error("admission was asked for what RBAC would refuse")
	}
}

// Where an API server has no such review, it is said, and the rest is asked all the same.
func TestTry_WithoutTheReview(t *testing.T) {
	t.Parallel()
	w := newWorld(t, usual)
	w.Lacks = "selfsubjectrulesreviews"
	if err := w.try(t); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.log.String(), "is not known before it is tried") {
		t.Error(w.log)
	}
	if !slices.Contains(w.Asked(), "create leases shop/kubemint-ci-… (dry run)") {
		t.Errorf("asked %q", w.Asked())
	}
}

// A plan names whoever would hold a run back, and succeeds: they may be gone when the run begins. A
// run that changes nothing waits only for a run that changes something.
func TestTry_TellsWhoHoldsBack(t *testing.T) {
	t.Parallel()
	const waits = "note: a run would have to wait for it now: Lease shop/kubemint-ci-"
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, w *world)
		says    string
	}{
		"nobody":                   {func(*testing.T, *world) {}, ""},
		"a live credential":        {func(_ *testing.T, w *world) { w.putLease() }, waits},
		"the lock":                 {func(t *testing.T, w *world) { t.Helper(); w.putLock(t, "other-run", "") }, "note: a run would have to wait now: its lock"},
		"a steady run, credential": {func(_ *testing.T, w *world) { w.putLease(); w.settle() }, ""},
		"a steady run, other access": {func(t *testing.T, w *world) {
			t.Helper()
			w.putLock(t, "x", "other")
			w.putLease()
			w.settle()
		}, waits},
		"take_ownership": {func(_ *testing.T, w *world) {
			w.Desired.Access.TakeOwnership = true
			w.putLease()
		}, "note: a run would change the access under it now: Lease shop/kubemint-ci-"},
		"no lock at all": {func(_ *testing.T, w *world) { w.putLease(); w.state.Gate = nil }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, usual)
			tt.prepare(t, w)
			if err := w.try(t); err != nil {
				t.Fatal(err)
			}
			if (tt.says == "") != (w.log.String() == "") || !strings.Contains(w.log.String(), tt.says) {
				t.Errorf("said %q", w.log)
			}
		})
	}
}

// The lock is tried where a run would take it. A steady run would not, and a lock that another run
// holds says nothing about a moment later.
func TestTryLock_OnlyWhereARunWouldTakeIt(t *testing.T) {
	t.Parallel()
	const tried = "apply leases shop/kubemint-ci (dry run)"
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, w *world)
		want    bool
	}{
		"a first run":  {func(*testing.T, *world) {}, true},
		"it is held":   {func(t *testing.T, w *world) { t.Helper(); w.putLock(t, "other-run", "") }, false},
		"a steady run": {func(t *testing.T, w *world) { t.Helper(); w.putLock(t, "x", w.Desired.Hash()); w.settle() }, false},
		"it says that other access is in effect": {func(t *testing.T, w *world) {
			t.Helper()
			w.putLock(t, "x", "other")
			w.settle()
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, usual)
			tt.prepare(t, w)
			if err := w.try(t); err != nil || slices.Contains(w.Asked(), tried) != tt.want {
				t.Errorf("asked %q: %v", w.Asked(), err)
			}
		})
	}
}
