package prune

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

// PruneAll deletes everything that kubemint made for the account: bindings, roles, the permanent
// token's Secret, leases, the account. The order is such that access ends first, and that what is
// left after a failure can be found again. The account goes last, and only when nothing else of it
// is left. A namespace stays: others may use it.
func (p *Pruning) PruneAll(ctx context.Context) error {
	found, err := p.findHoldings(ctx, p.Desired.Access.ServiceAccount)
	if err != nil {
		return err
	}
	var count int
	if p.DryRun || found.isEmpty() {
		count, err = p.deleteAll(ctx, found)
	} else {
		count, err = p.deleteAllUnderLock(ctx)
	}
	p.sayCount(console.Plural(count, "object")+" of ServiceAccount "+found.account.String(), "")
	return err
}

// deleteAllUnderLock looks again once it has the lock: whoever makes a lease from then on waits.
func (p *Pruning) deleteAllUnderLock(ctx context.Context) (count int, err error) {
	gate := p.Gate(p.Desired, access.Undeclared) // live credentials end here, and hold nothing back
	var found holdings
	err = p.changeUnderLock(ctx, gate, func(ctx context.Context) (err error) {
		found, err = p.findHoldings(ctx, p.Desired.Access.ServiceAccount)
		return err
	}, func(ctx context.Context) (err error) {
		ofLock := lock.RefOf(found.account)
		found.leases = slices.DeleteFunc(
			found.leases, func(o kube.Object) bool { return kube.RefOf(o) == ofLock },
		)
		count, err = p.deleteAll(ctx, found)
		return err
	})
	if err != nil {
		return count, err
	}
	if deleted, err := gate.DeleteLock(ctx); err != nil || !deleted {
		return count, err
	}
	p.Log.Printf("%-10s %s", access.Deleted, lock.RefOf(p.Desired.Access.ServiceAccount))
	return count + 1, nil
}

func (p *Pruning) deleteAll(ctx context.Context, found holdings) (count int, err error) {
	self, err := p.accountToDelete(found)
	own, warnings, left := access.SelectRemovable(p.Desired, slices.Concat(found.access, found.leases))
	for _, warning := range warnings {
		p.Log.Warnf("%s", warning)
	}
	err = errors.Join(err, left)
	bindings, roles, leases := inStages(own)
	p.warnOfLive(leases)
	for _, step := range []func() (int, error){
		func() (int, error) { return p.deleteStage(ctx, bindings) },
		func() (int, error) { return p.deleteStage(ctx, roles) },
		func() (int, error) { return p.deletePermanent(ctx, found, self != nil) },
		func() (int, error) { return p.deleteStage(ctx, leases) },
	} {
		n, stepErr := step()
		count += n
		err = errors.Join(err, stepErr)
	}
	if self != nil && err == nil {
		n, selfErr := p.deleteStage(ctx, []kube.Object{self})
		count += n
		err = selfErr
	} else if self != nil {
		p.Log.Printf("note: ServiceAccount %s is left, since not everything of it could be deleted",
			found.account)
	}
	return count, err
}

// sayCount says how many objects are gone.
func (p *Pruning) sayCount(objects, where string) {
	if p.DryRun {
		p.Log.Printf("dry run: %s%s would be deleted", objects, where)
		return
	}
	p.Log.Printf("pruned: %s deleted%s", objects, where)
}

// accountToDelete is the ServiceAccount, nil where it stays.
func (p *Pruning) accountToDelete(found holdings) (kube.Object, error) {
	switch {
	case found.self == nil:
		return nil, nil //nolint:nilnil // none is a good answer
	// not even with take_ownership: others may run as it
	case !kube.IsManaged(found.self, found.account):
		p.Log.Printf("note: ServiceAccount %s stays: it was not made by kubemint", found.account)
		return nil, nil //nolint:nilnil // the same
	}
	own, _, err := access.SelectRemovable(p.Desired, []kube.Object{found.self})
	if len(own) == 0 {
		return nil, err
	}
	return own[0], nil
}

// warnOfLive names the live credentials that end with their leases.
func (p *Pruning) warnOfLive(leases []kube.Object) {
	verb := "ends"
	if p.DryRun {
		verb = "would end"
	}
	for _, lease := range lock.SelectHolding(leases, "", p.Now()) {
		p.Log.Warnf("this %s a live credential: %s", verb, lock.DescribeLease(lease))
	}
}

// deleteStage deletes objects that do not depend on each other, says which, and how many.
func (p *Pruning) deleteStage(ctx context.Context, objects []kube.Object) (count int, err error) {
	gone := make([]bool, len(objects))
	err = parallel.Each(len(objects), func(i int) error {
		var err error
		if !p.DryRun {
			err = p.deleteObject(ctx, objects[i])
		}
		gone[i] = err == nil
		return p.Client.Explain(problem.Mint, "delete "+kube.RefOf(objects[i]).String(), err)
	})
	for i, object := range objects {
		if gone[i] {
			count++
			p.Log.Printf("%-10s %s", access.Deleted, kube.RefOf(object))
		}
	}
	return count, err
}

func (p *Pruning) deleteObject(ctx context.Context, object kube.Object) error {
	account := p.Desired.Access.ServiceAccount
	if ref := kube.RefOf(object); ref.Kind == "Lease" && leasename.BelongsTo(ref.Name, account.Name) {
		return p.endCredential(ctx, object)
	}
	return p.Client.Remove(ctx, object)
}

// endCredential ends the credential of a lease, and says what holds it where it lives on.
func (p *Pruning) endCredential(ctx context.Context, its kube.Object) error {
	account := p.Desired.Access.ServiceAccount
	account.Name = leasename.AccountOf(its.GetName(), account.Name)
	err := revoke.End(
		ctx, p.Client, revoke.Doomed{Account: account, Lease: its.GetName(), UID: its.GetUID()},
	)
	alive, lives := errors.AsType[*revoke.AliveError](err)
	if !lives {
		return err
	}
	until := cmp.Or(its.GetAnnotations()[kube.AnnotationExpiresAt], "it expires")
	return problem.New(
		problem.Revoke,
		"revoke the credential of "+kube.RefOf(its).String(),
		alive,
		alive.Hints(until)...)
}

// deletePermanent deletes the Secret of a permanent token by its name, without reading it. Where
// the account is not kubemint's the name is not enough, and the Secret's own marks have to be read.
func (p *Pruning) deletePermanent(ctx context.Context, found holdings, ownAccount bool) (int, error) {
	secret := client.NewObject(kube.Ref{
		Kind: "Secret", Namespace: found.account.Namespace, Name: leasename.PermanentSecret(found.account.Name),
	})
	op := "delete " + kube.RefOf(secret).String()
	if !ownAccount && found.self != nil {
		err := p.Client.Get(ctx, secret)
		if answer.IsMissing(err) {
			return 0, nil
		}
		if err != nil {
			return 0, p.Client.Explain(problem.Mint, op, err)
		}
		if own, _, left := access.SelectRemovable(p.Desired, []kube.Object{secret}); len(own) == 0 {
			return 0, left
		}
	}
	api := p.Client
	if p.DryRun {
		api = api.Dry()
	}
	switch err := api.Delete(ctx, secret); {
	case err == nil:
		p.Log.Printf("%-10s %s", access.Deleted, kube.RefOf(secret))
		return 1, nil
	case answer.IsMissing(err):
		return 0, nil
	case answer.IsForbidden(err) && (ownAccount || found.self == nil):
		p.Log.Printf("note: %s may not be deleted by the runner's identity: if it is there, "+
			"the cluster deletes it after its ServiceAccount", kube.RefOf(secret))
		return 0, nil
	default:
		return 0, p.Client.Explain(problem.Mint, op, err)
	}
}
