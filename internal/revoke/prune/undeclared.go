package prune

import (
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
)

// Pruning has what a prune needs.
type Pruning struct {
	Client  *client.Client
	Desired access.Desired
	Log     *console.Log
	Now     func() time.Time // the API server's clock
	DryRun  bool
	// Gate opens the gate of an account, through which its access changes. declared is the hash of
	// the access that stays; "" where none does.
	Gate func(of access.Desired, declared string) Gate
}

// Gate has the access of an account change under its lock: see package lease/lock.
type Gate interface {
	// Change takes the lock, and makes the change unless look has found something that holds it
	// back.
	ChangeAccess(ctx context.Context, look, change func(context.Context) error) error
	DeleteLock(ctx context.Context) (deleted bool, err error) // of the lock itself
}

// holdings are the objects that exist for one account.
type holdings struct {
	account types.NamespacedName
	access  []kube.Object // bindings and roles
	leases  []kube.Object // of credentials by their names, and other Leases of ours
	self    kube.Object   // the ServiceAccount; nil where it does not exist
}

// isEmpty says whether nothing of the account was found.
func (h holdings) isEmpty() bool { return len(h.access)+len(h.leases) == 0 && h.self == nil }

// findHoldings reads what bears the marks of an account. All that may not be read is reported at
// once.
func (p *Pruning) findHoldings(ctx context.Context, account types.NamespacedName) (holdings, error) {
	found := holdings{account: account, self: client.NewObject(kube.Ref{
		Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name,
	})}
	kinds := []string{"RoleBinding", "Role", "ClusterRoleBinding", "ClusterRole", "Lease"}
	lists := make([][]kube.Object, len(kinds))
	marks := kube.LabelsFor(account)
	err := parallel.Each(len(kinds)+1, func(i int) (err error) {
		if i == len(kinds) {
			err = p.Client.Get(ctx, found.self)
			if answer.IsMissing(err) {
				found.self = nil
				return nil
			}
			return p.Client.Explain(problem.Mint, "read ServiceAccount "+account.String(), err)
		}
		namespace := ""
		if kinds[i] == "Lease" {
			namespace = account.Namespace
		}
		lists[i], err = p.Client.ListLabelled(ctx, kinds[i], namespace, marks)
		if kinds[i] == "Lease" && discovery.Unserved(err) {
			p.Log.Printf("note: %s: no credential here has a lease", err)
			return nil
		}
		return p.Client.Explain(problem.Mint, "list "+kinds[i]+"s", err)
	})
	found.leases = lists[4]
	found.access = slices.Concat(lists[:4]...)
	return found, err
}

// PruneUndeclared deletes the access that the configuration does not declare, wherever it is, and
// the account that was there before the declared one.
func (p *Pruning) PruneUndeclared(ctx context.Context) error {
	found, err := p.findHoldings(ctx, p.Desired.Access.ServiceAccount)
	if err != nil {
		return err
	}
	chosen, count, err := p.takeAway(ctx, found, p.Desired.Hash(), p.chooseUndeclared)
	p.sayLeft(chosen)
	moved, movedErr := p.takeAwayMoved(ctx, found)
	p.sayCount(console.Plural(count+moved, "object"), " in all namespaces")
	return errors.Join(err, movedErr)
}

// choice is which objects of an account are to be deleted, and what stays.
type choice struct {
	doomed   []kube.Object
	warnings []string
	left     error // why objects stay that would go
}

// takeAway deletes the chosen objects of an account, and says how many: under its lock, and only
// where no live credential depends on other access than the declared one, whose hash is given. It
// looks again once it has the lock, since another run may have deleted or recreated meanwhile what
// was found before.
func (p *Pruning) takeAway(
	ctx context.Context, found holdings, declared string, choose func(holdings) choice,
) (chosen choice, count int, err error) {
	if chosen = choose(found); len(chosen.doomed) == 0 {
		return chosen, 0, nil
	}
	if p.DryRun {
		held := p.heldBack(found, declared)
		count, err = p.deleteAccess(ctx, chosen.doomed)
		return chosen, count, errors.Join(held, err)
	}
	of := p.Desired
	of.Access.ServiceAccount = found.account
	gate := p.Gate(of, declared)
	err = p.changeUnderLock(ctx, gate, func(ctx context.Context) (err error) {
		found, err = p.findHoldings(ctx, found.account) // whoever makes a lease from now on waits
		if chosen = choose(found); err != nil || len(chosen.doomed) == 0 {
			return err
		}
		return p.heldBack(found, declared)
	}, func(ctx context.Context) (err error) {
		count, err = p.deleteAccess(ctx, chosen.doomed)
		return err
	})
	if err == nil && declared == "" { // nothing of the account is left that a lock is for
		_, err = gate.DeleteLock(ctx)
	}
	return chosen, count, err
}

// changeUnderLock needs no lock on an API server without Leases: no credential has one there.
func (p *Pruning) changeUnderLock(
	ctx context.Context, gate Gate, look, change func(context.Context) error,
) error {
	begun := false
	err := gate.ChangeAccess(ctx, func(ctx context.Context) error {
		begun = true
		return look(ctx)
	}, change)
	if begun || !discovery.Unserved(err) {
		return err
	}
	if err := look(ctx); err != nil {
		return err
	}
	return change(ctx)
}

// deleteAccess deletes bindings first: one without its role would grant again as soon as somebody
// makes a role of that name.
func (p *Pruning) deleteAccess(ctx context.Context, objects []kube.Object) (int, error) {
	bindings, others, _ := inStages(objects)
	first, err := p.deleteStage(ctx, bindings)
	second, othersErr := p.deleteStage(ctx, others)
	return first + second, errors.Join(err, othersErr)
}

// chooseUndeclared chooses what an account has and the configuration does not declare.
func (p *Pruning) chooseUndeclared(found holdings) choice {
	plan, refusals := access.Prune(p.Desired, found.access)
	chosen := choice{warnings: plan.Warnings, left: refusals}
	for _, change := range plan.Changes {
		chosen.doomed = append(chosen.doomed, change.Delete)
	}
	return chosen
}

// sayLeft says what stays, and why.
func (p *Pruning) sayLeft(chosen choice) {
	for _, warning := range chosen.warnings {
		p.Log.Warnf("%s", warning)
	}
	var left []string
	for _, refusal := range problem.ListErrors(chosen.left) {
		left = append(left, refusal.Error())
	}
	p.Log.PrintList("note: not done: ", left)
}

// heldBack returns an error that names the live credentials which depend on what would be deleted,
// or nil. Those whose leases have the hash of the declared access do not depend on it. With
// take_ownership they are named, and lose the access.
func (p *Pruning) heldBack(found holdings, declared string) error {
	holding := lock.SelectHolding(found.leases, declared, p.Now())
	if len(holding) == 0 {
		return nil
	}
	if p.Desired.Access.TakeOwnership {
		for _, lease := range holding {
			p.Log.Warnf("this takes access from a live credential: %s", lock.DescribeLease(lease))
		}
		return nil
	}
	e := problem.Newf(problem.Rights, "prune access of ServiceAccount "+found.account.String(),
		"%s may depend on it", console.Plural(len(holding), "live credential"))
	for _, lease := range holding {
		e.Detail(lock.DescribeLease(lease))
	}
	return e.Hint("run it again when their jobs have ended").
		Hint("or end one with  kubectl -n %s delete lease NAME", found.account.Namespace).
		Hint("or set `take_ownership: true`, and they lose the access")
}
