package prune

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/observe"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
)

// takeAwayMoved finds the account that was there before the declared one, deletes what there is of
// it, and says how many objects. One of another name may be a second account of the same job, so it
// is only named.
func (p *Pruning) takeAwayMoved(ctx context.Context, found holdings) (count int, err error) {
	job := p.Desired.Marks.Job
	if found.self != nil && owner.Same(p.Desired.Marks, found.self) {
		job = found.self.GetAnnotations()[owner.AnnotationJob] // prune may be a job of its own
	}
	bindings, err := p.listManagedBindings(ctx)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, account := range access.FindMoved(p.Desired, job, bindings) {
		if account.Name != found.account.Name {
			p.Log.Warnf("%s", leftBehind(account, found.account))
			continue
		}
		before, err := p.findHoldings(ctx, account)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		chosen, n, err := p.takeAway(ctx, before, "", p.chooseOwn)
		for _, warning := range chosen.warnings {
			p.Log.Warnf("%s", warning)
		}
		count += n
		errs = append(errs, chosen.left, err)
	}
	return count, errors.Join(errs...)
}

// chooseOwn chooses an account's access and, if it is all this owner's, the account itself.
func (p *Pruning) chooseOwn(before holdings) choice {
	of := p.Desired
	of.Access.ServiceAccount = before.account
	own, warnings, left := access.SelectRemovable(of, before.access)
	if left == nil && before.self != nil && kube.IsManaged(before.self, before.account) {
		var self []kube.Object
		self, _, left = access.SelectRemovable(of, []kube.Object{before.self})
		own = append(own, self...)
	}
	return choice{doomed: own, warnings: warnings, left: left}
}

func (p *Pruning) listManagedBindings(ctx context.Context) ([]kube.Object, error) {
	kinds := []string{"RoleBinding", "ClusterRoleBinding"}
	lists := make([][]kube.Object, len(kinds))
	err := parallel.Each(len(kinds), func(i int) (err error) {
		lists[i], err = p.Client.ListLabelled(ctx, kinds[i], "", kube.Managed)
		return p.Client.Explain(problem.Mint, "list "+kinds[i]+"s", err)
	})
	return slices.Concat(lists...), err
}

// leftBehind is the warning of an account whose place the declared one may have taken.
func leftBehind(account, declared types.NamespacedName) string {
	return fmt.Sprintf("ServiceAccount %s has access that this job declared earlier: "+
		"if %s has taken its place, delete it with  KUBEMINT_SERVICE_ACCOUNT=%s kubemint prune --all",
		account, declared, account)
}

// WarnPredecessors looks for accounts that the declared one may have replaced, by bindings in the
// places that this run declares: a warning for each, with the command that deletes it.
func WarnPredecessors(
	ctx context.Context, client *client.Client, desired access.Desired,
) (warnings []string, err error) {
	lists := bindingPlaces(desired)
	bindings := make([][]kube.Object, len(lists))
	err = parallel.Each(len(lists), func(i int) (err error) {
		bindings[i], err = client.ListRecent(ctx, lists[i].Kind, lists[i].Namespace, kube.Managed)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, moved := range access.FindMoved(desired, desired.Marks.Job, slices.Concat(bindings...)) {
		warnings = append(warnings, leftBehind(moved, desired.Access.ServiceAccount))
	}
	return warnings, nil
}

// bindingPlaces are the lists that hold all bindings of the places that this run declares.
func bindingPlaces(desired access.Desired) (lists []kube.Ref) {
	for _, object := range desired.Objects {
		place := kube.Ref{Kind: kube.RefOf(object).Kind, Namespace: object.GetNamespace()}
		if len(desired.Access.Namespaces) > observe.ManyNamespaces {
			place.Namespace = ""
		}
		if kube.IsBinding(object) && !slices.Contains(lists, place) {
			lists = append(lists, place)
		}
	}
	return lists
}
