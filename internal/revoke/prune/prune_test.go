package prune

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/test/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

var (
	noon    = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	account = types.NamespacedName{Namespace: "shop", Name: "ci"}
	marks   = owner.Marks{Owner: "github:acme/shop", Job: "deploy", Run: "https://ci/1"}
)

// declare is a job that may get pods in these namespaces.
func declare(of types.NamespacedName, by owner.Marks, namespaces ...string) access.Desired {
	return access.Desire(config.Access{
		Namespaces: namespaces, ServiceAccount: of, Provisioning: config.Provisioning{CreateServiceAccount: true},
		Namespaced: config.Grants{Rules: []rbacv1.PolicyRule{rules.NewRule("", "pods", "", "get")}},
	}, by)
}

// world is an API server on which this job's ServiceAccount has its access in shop and in web, and a
// pruning for which only shop is declared.
type world struct {
	*kubetest.Fake
	*Pruning
	log *bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{Fake: kubetest.StartFake(t, noon, "shop", "web", "dev"), log: &bytes.Buffer{}}
	api, err := client.New(w.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	now := func() time.Time { return noon }
	w.Pruning = &Pruning{
		Client: api, Desired: declare(account, marks, "shop"), Log: console.New(w.log), Now: now,
		Gate: func(of access.Desired, declared string) Gate {
			about := lock.Options{Account: of.Access.ServiceAccount, Marks: of.Marks, Holder: "prune", Now: now}
			return lock.NewGate(api, about, lock.GateOptions{Hash: declared, Timeout: "1m", Log: console.New(w.log)})
		},
	}
	w.putAll(declare(account, marks, "shop", "web"))
	return w
}

func (w *world) putAll(desired access.Desired) {
	for _, o := range desired.Objects {
		w.Put(o)
	}
}

// putLease adds a live credential of an account, which was promised the access of this hash.
func (w *world) putLease(of types.NamespacedName, hash string) *coordinationv1.Lease {
	its := marks
	its.Access = hash
	made := lease.New(of, its, noon, time.Hour)
	w.Put(made)
	secret := &corev1.Secret{TypeMeta: kube.TypeMeta("Secret"), ObjectMeta: made.ObjectMeta}
	var stored coordinationv1.Lease
	w.Read("leases", made.Namespace, made.Name, &stored)
	secret.OwnerReferences = []metav1.OwnerReference{lease.OwnedBy(&stored)}
	w.Put(secret)
	return made
}

// putPermanent adds the Secret of a permanent token.
func (w *world) putPermanent(by owner.Marks) { w.Put(lease.NewPermanent(account, by)) }

// Only what is not declared goes, wherever it is, the binding before its role; the lock of the
// account is held meanwhile, and says afterwards what is in effect.
func TestPruneUndeclared_DeletesWhatIsNotDeclared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.PruneUndeclared(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"rolebindings web/kubemint:shop:ci", "roles web/kubemint:shop:ci"}
	if diff := cmp.Diff(want, kubetest.Deletions(w.Asked())); diff != "" {
		t.Error(diff)
	}
	if first := kubetest.FirstAt(w.Asked(), "apply leases shop/kubemint-ci"); first < 0 || first > kubetest.FirstAt(w.Asked(), "delete") {
		t.Errorf("it was deleted without the lock:\n%s", strings.Join(w.Asked(), "\n"))
	}
	if !strings.Contains(w.log.String(), "pruned: 2 objects deleted in all namespaces") {
		t.Error(w.log)
	}
	var its coordinationv1.Lease
	if !w.Read("leases", "shop", "kubemint-ci", &its) || its.Spec.HolderIdentity != nil {
		t.Error("the lock is not given back")
	}
}

// Without anything to delete the lock is not taken: steady runs are not held up.
func TestPruneUndeclared_NothingToDoTakesNoLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Desired = declare(account, marks, "shop", "web")
	if err := w.PruneUndeclared(t.Context()); err != nil || len(w.Writes()) > 0 {
		t.Errorf("%v; sent %q", err, w.Writes())
	}
}

func TestPruneUndeclared_DryRunDeletesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.DryRun = true
	w.putLease(account, "other")
	err := w.PruneUndeclared(t.Context())
	if len(w.Writes()) > 0 || !strings.Contains(w.log.String(), "dry run: 2 objects in all namespaces would be deleted") {
		t.Errorf("sent %q\n%s", w.Writes(), w.log)
	}
	if problem.ExitCode(err) != int(problem.Rights) { // what would hold it back is found out all the same
		t.Error(err)
	}
}

// A live credential that was promised other access is named, with when it ends, and nothing goes.
// One that was promised the declared access does not lose anything.
func TestPruneUndeclared_LiveCredentials(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		hash string
		take bool
		held bool
		says string
	}{
		"of other access":            {hash: "other", held: true},
		"of the declared access":     {hash: declare(account, marks, "shop").Hash()},
		"that was promised nothing":  {hash: access.Undeclared},
		"which the owner overrides":  {hash: "other", take: true, says: "this takes access from a live credential: Lease shop/kubemint-ci-"},
		"which does not say its own": {hash: "", held: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Desired.Access.TakeOwnership = tt.take
			its := w.putLease(account, tt.hash)
			err := w.PruneUndeclared(t.Context())
			gone := len(kubetest.Deletions(w.Asked())) > 0
			if gone == tt.held || (err != nil) != tt.held {
				t.Errorf("deleted %q: %v", kubetest.Deletions(w.Asked()), err)
			}
			if tt.held && !strings.Contains(err.Error(), "1 live credential may depend on it: Lease shop/"+its.Name) {
				t.Error(err)
			}
			if !strings.Contains(w.log.String(), tt.says) {
				t.Error(w.log)
			}
		})
	}
}

// A run may make its lease, or delete what was found, between the first look and the lock.
func TestPruneUndeclared_LooksAgainUnderTheLock(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		meanwhile func(*world)
		fails     bool
	}{
		"a credential was minted": {func(w *world) { w.putLease(account, "other") }, true},
		"it was declared again":   {func(w *world) { w.Desired = declare(account, marks, "shop", "web") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			begun := false
			w.Intercept(func(asked string) error {
				if asked == "apply leases shop/kubemint-ci" && !begun {
					begun = true
					tt.meanwhile(w)
				}
				return nil
			})
			err := w.PruneUndeclared(t.Context())
			if !begun || len(kubetest.Deletions(w.Asked())) > 0 || (err != nil) != tt.fails {
				t.Errorf("deleted %q: %v", kubetest.Deletions(w.Asked()), err)
			}
		})
	}
}

// Another owner's object stays, and is named; what an administrator asked to leave stays too.
func TestPruneUndeclared_LeavesWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range declare(account, owner.Marks{Owner: "github:evil/fork"}, "web").Objects {
		if o.GetNamespace() == "web" {
			w.Put(o)
		}
	}
	held := declare(account, marks, "dev").Objects[1].(*rbacv1.Role)
	held.Annotations[rbacv1.AutoUpdateAnnotationKey] = "false"
	w.Put(held)
	if err := w.PruneUndeclared(t.Context()); err != nil || len(kubetest.Deletions(w.Asked())) > 0 {
		t.Errorf("deleted %q: %v", kubetest.Deletions(w.Asked()), err)
	}
	for _, said := range []string{
		"note: not done: delete Role web/kubemint:shop:ci: it belongs to github:evil/fork",
		"warning: Role dev/kubemint:shop:ci is declared no longer and is left: its annotation",
	} {
		if !strings.Contains(w.log.String(), said) {
			t.Errorf("%q is not said:\n%s", said, w.log)
		}
	}
}

// The account that was there before the declared one goes with all its access and its lock, if only
// its namespace is another one. One of another name may be a second account of the same job.
func TestPruneUndeclared_AccountThatMoved(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before types.NamespacedName
		gone   bool
	}{
		"to another namespace": {types.NamespacedName{Namespace: "dev", Name: "ci"}, true},
		"to another name":      {types.NamespacedName{Namespace: "shop", Name: "ci-before"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.putAll(declare(tt.before, marks, "shop"))
			if err := w.PruneUndeclared(t.Context()); err != nil {
				t.Fatal(err)
			}
			if w.Read("serviceaccounts", tt.before.Namespace, tt.before.Name, nil) == tt.gone {
				t.Errorf("left: %q", w.Objects())
			}
			if tt.gone && w.Read("leases", "dev", "kubemint-ci", nil) {
				t.Error("the lock of an account that is gone is left")
			}
			advice := "delete it with  KUBEMINT_SERVICE_ACCOUNT=shop/ci-before kubemint prune --all"
			if strings.Contains(w.log.String(), advice) == tt.gone {
				t.Error(w.log)
			}
			if !w.Read("serviceaccounts", "shop", "ci", nil) {
				t.Error("the declared account is gone")
			}
		})
	}
}

// Every kind that the runner may not list is named, and nothing is deleted.
func TestPruneUndeclared_WhatMayNotBeListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Forbid("^list (roles|leases)")
	err := w.PruneUndeclared(t.Context())
	if n := len(problem.ListErrors(err)); n != 2 || problem.ExitCode(err) != int(problem.Rights) {
		t.Errorf("%d errors: %v", n, err)
	}
	if len(w.Writes()) > 0 {
		t.Errorf("sent %q", w.Writes())
	}
}

// All goes: access first, with bindings before roles, then what holds tokens, and the account only
// once nothing else of it is left. Its namespace stays.
func TestPruneAll_InOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.putPermanent(marks)
	its := w.putLease(account, "other")
	if err := w.PruneAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := w.Objects(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	asked := w.Asked()
	stages := []string{
		"delete rolebindings", "delete roles", "delete secrets shop/kubemint-token-ci",
		"delete leases shop/kubemint-ci-…", "delete serviceaccounts", "delete leases shop/kubemint-ci",
	}
	order := make([]int, len(stages))
	for i, stage := range stages {
		order[i] = kubetest.FirstAt(asked, stage)
	}
	order[5] = slices.Index(asked, stages[5]) // the lock itself
	if order[0] < 0 || !slices.IsSorted(order) {
		t.Errorf("%v of\n%s", order, strings.Join(asked, "\n"))
	}
	if !strings.Contains(w.log.String(), "warning: this ends a live credential: Lease shop/"+its.Name) {
		t.Error(w.log)
	}
	if !strings.Contains(w.log.String(), "pruned: 8 objects of ServiceAccount shop/ci deleted") {
		t.Error(w.log)
	}
}

// Nothing of the account is there: no lock has to be made for it.
func TestPruneAll_NothingThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Desired = declare(types.NamespacedName{Namespace: "dev", Name: "other"}, marks, "dev")
	if err := w.PruneAll(t.Context()); err != nil || kubetest.FirstAt(w.Asked(), "apply") >= 0 {
		t.Errorf("asked %q: %v", w.Asked(), err)
	}
	if len(w.Objects()) != 5 || !strings.Contains(w.log.String(), "pruned: 0 objects of ServiceAccount dev/other deleted") {
		t.Errorf("left %q\n%s", w.Objects(), w.log)
	}
}

// A credential that was minted between the first look and the lock ends too.
func TestPruneAll_LooksAgainUnderTheLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	begun := false
	w.Intercept(func(asked string) error {
		if asked == "apply leases shop/kubemint-ci" && !begun {
			begun = true
			w.putLease(account, "other")
		}
		return nil
	})
	if err := w.PruneAll(t.Context()); err != nil || !begun || len(w.Objects()) > 0 {
		t.Errorf("left %q: %v", w.Objects(), err)
	}
}

// What another owner has made for the same account stays, and the account with it.
func TestPruneAll_AnotherOwnersAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range declare(account, owner.Marks{Owner: "github:evil/fork"}, "dev").Objects {
		if o.GetNamespace() == "dev" {
			w.Put(o)
		}
	}
	err := w.PruneAll(t.Context())
	if problem.ExitCode(err) != int(problem.Rights) || !w.Read("serviceaccounts", "shop", "ci", nil) {
		t.Error(err)
	}
	if !w.Read("roles", "dev", "kubemint:shop:ci", nil) || w.Read("roles", "web", "kubemint:shop:ci", nil) {
		t.Errorf("left %q", w.Objects())
	}
}

func TestPruneAll_DryRunDeletesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.DryRun = true
	w.putPermanent(marks)
	w.putLease(account, "other")
	if err := w.PruneAll(t.Context()); err != nil || len(w.Writes()) > 0 {
		t.Errorf("%v; sent %q", err, w.Writes())
	}
	if !slices.Contains(w.Asked(), "delete secrets shop/kubemint-token-ci (dry run)") {
		t.Errorf("asked %q", w.Asked())
	}
	for _, said := range []string{"dry run: 7 objects of ServiceAccount shop/ci would be deleted", "this would end a live credential"} {
		if !strings.Contains(w.log.String(), said) {
			t.Errorf("%q is not said:\n%s", said, w.log)
		}
	}
}

// What is left after a failure can be found again, since the account is the last to go.
func TestPruneAll_FailureLeavesTheAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Forbid("^delete roles web/")
	err := w.PruneAll(t.Context())
	if problem.ExitCode(err) != int(problem.Rights) || !w.Read("serviceaccounts", "shop", "ci", nil) {
		t.Error(err)
	}
	if w.Read("roles", "shop", "kubemint:shop:ci", nil) {
		t.Error("what may be deleted was not")
	}
	if !strings.Contains(w.log.String(), "ServiceAccount shop/ci is left, since not everything of it could be deleted") {
		t.Error(w.log)
	}
}

// An account that kubemint did not make stays, even with take_ownership: others may run as it. Its
// token Secret is then judged by its own marks, since the name is not enough.
func TestPruneAll_AccountOfSomebodyElse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		secret owner.Marks
		gone   bool
	}{
		"our Secret":           {marks, true},
		"another owner's":      {owner.Marks{Owner: "github:evil/fork"}, false},
		"a Secret without any": {owner.Marks{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Put(&corev1.ServiceAccount{
				TypeMeta: kube.TypeMeta("ServiceAccount"), ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "ci"},
			})
			w.putPermanent(tt.secret)
			err := w.PruneAll(t.Context())
			if (err == nil) != tt.gone || w.Read("secrets", "shop", "kubemint-token-ci", nil) == tt.gone {
				t.Errorf("left %q: %v", w.Objects(), err)
			}
			if !w.Read("serviceaccounts", "shop", "ci", nil) || kubetest.FirstAt(w.Asked(), "delete serviceaccounts") >= 0 {
				t.Error("the account was deleted")
			}
			if !strings.Contains(w.log.String(), "ServiceAccount shop/ci stays: it was not made by kubemint") {
				t.Error(w.log)
			}
		})
	}
}

// A runner that may not delete Secrets leaves the one of our own account to the cluster, which deletes
// it after the account. Under somebody else's account the Secret would stay, so that is an error.
func TestPruneAll_SecretThatMayNotBeDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.putPermanent(marks)
	w.Forbid("^delete secrets")
	err := w.PruneAll(t.Context())
	if err != nil || w.Read("serviceaccounts", "shop", "ci", nil) {
		t.Errorf("left %q: %v", w.Objects(), err)
	}
	if !strings.Contains(w.log.String(), "may not be deleted by the runner's identity: if it is there") {
		t.Error(w.log)
	}
	other := newWorld(t)
	other.Put(&corev1.ServiceAccount{
		TypeMeta: kube.TypeMeta("ServiceAccount"), ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "ci"},
	})
	other.putPermanent(marks)
	other.Forbid("^delete secrets")
	if err := other.PruneAll(t.Context()); problem.ExitCode(err) != int(problem.Rights) {
		t.Error(err)
	}
}

// A lease that finalizers hold is an error that names them, with what removes them.
func TestPruneAll_LeaseThatIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	its := w.putLease(account, "other")
	var stored coordinationv1.Lease
	w.Read("leases", "shop", its.Name, &stored)
	stored.TypeMeta = kube.TypeMeta("Lease")
	stored.Finalizers = []string{"example.com/hold"}
	w.Put(&stored)
	ctx, cancel := context.WithCancelCause(t.Context())
	seen := 0
	w.Intercept(func(asked string) error {
		if asked == "delete leases shop/kubemint-ci-…" {
			if seen++; seen == 3 {
				cancel(context.DeadlineExceeded)
			}
		}
		return nil
	})
	err := w.PruneAll(ctx)
	p, _ := errors.AsType[*problem.Error](err)
	if p == nil || !strings.Contains(err.Error(), "example.com/hold") || problem.ExitCode(err) != int(problem.Revoke) {
		t.Fatalf("exit code %d: %v", problem.ExitCode(err), err)
	}
	if hints := strings.Join(p.Hints, "\n"); !strings.Contains(hints, "this removes them:  kubectl -n shop patch lease ") {
		t.Errorf("hints %q", hints)
	}
	if !w.Read("serviceaccounts", "shop", "ci", nil) {
		t.Error("the account is gone, and nothing can be found again")
	}
}

// An API server without leases has no credential that one could hold back, and no lock.
func TestPruneUndeclared_ServerWithoutLeases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Lacks = "leases"
	if err := w.PruneUndeclared(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(kubetest.Deletions(w.Asked())) != 2 || !strings.Contains(w.log.String(), "no credential here has a lease") {
		t.Errorf("deleted %q\n%s", kubetest.Deletions(w.Asked()), w.log)
	}
}

func TestWarnPredecessors_AsksWhereTheRunDeclares(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.putAll(declare(types.NamespacedName{Namespace: "dev", Name: "ci"}, marks, "shop"))
	warnings, err := WarnPredecessors(t.Context(), w.Client, w.Desired)
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "KUBEMINT_SERVICE_ACCOUNT=dev/ci kubemint prune --all") {
		t.Errorf("%q: %v", warnings, err)
	}
	if asked := w.Asked(); len(asked) != 1 || asked[0] != "list rolebindings shop" {
		t.Errorf("asked %q", asked)
	}
}

// Many namespaces are one list.
func TestBindingPlaces_OneListForMany(t *testing.T) {
	t.Parallel()
	namespaces := []string{"shop"}
	for c := 'a'; c < 'a'+20; c++ {
		namespaces = append(namespaces, "ns-"+string(c))
	}
	want := []kube.Ref{{Kind: "RoleBinding"}}
	if diff := cmp.Diff(want, bindingPlaces(declare(account, marks, namespaces...))); diff != "" {
		t.Error(diff)
	}
	want = []kube.Ref{{Kind: "RoleBinding", Namespace: "shop"}, {Kind: "RoleBinding", Namespace: "web"}}
	if diff := cmp.Diff(want, bindingPlaces(declare(account, marks, "shop", "web"))); diff != "" {
		t.Error(diff)
	}
}
