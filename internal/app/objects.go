package app

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
)

// deletable are the kinds that a receipt may name besides leases.
var deletable = []string{"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Secret"}

// removal deletes what a receipt names besides leases: an ephemeral identity's objects, the Secret of a permanent token.
type removal struct {
	*run
	client *client.Client
	record *receipt.Receipt
	fresh  bool // the objects are of this very process, which may not know the UID of one whose creation got no answer

	mu   sync.Mutex
	done []access.Change
}

// delete deletes the objects that are ours, says which, and returns an error for each that is left.
func (d *removal) delete(ctx context.Context, objects []receipt.Object) error {
	err := parallel.Each(len(objects), func(i int) error { return d.deleteOne(ctx, objects[i]) })
	slices.SortFunc(d.done, func(a, b access.Change) int { return d.order(objects, a) - d.order(objects, b) })
	d.log.Show(access.Plan{Changes: d.done})
	return err
}

// order is where the receipt names an object.
func (d *removal) order(objects []receipt.Object, change access.Change) int {
	return slices.IndexFunc(objects, func(o receipt.Object) bool { return refOf(o) == change.Ref })
}

func refOf(o receipt.Object) kube.Ref {
	return kube.Ref{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
}

func (d *removal) deleteOne(ctx context.Context, recorded receipt.Object) error {
	ref := refOf(recorded)
	object := client.Empty(ref)
	if object == nil || !d.named(ref) {
		return problem.Newf(problem.Revoke, "delete "+ref.String(), "kubemint makes no object of that name for ServiceAccount %s/%s",
			d.record.Account.Namespace, d.record.Account.Name).Hint("it was left alone")
	}
	if err := d.client.Get(ctx, object); err != nil {
		if client.Missing(err) {
			return nil
		}
		return d.client.Explain(problem.Revoke, "read "+ref.String(), err)
	}
	if err := d.refuseForeign(object, recorded); err != nil {
		return err
	}
	if err := d.client.Remove(ctx, object); err != nil {
		return d.client.Explain(problem.Revoke, "delete "+ref.String(), err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done = append(d.done, access.Change{Verb: access.Deleted, Ref: ref})
	return nil
}

// named says whether an object has a name that we give those of the receipt's ServiceAccount: of an ephemeral one, or the
// Secret of a permanent token.
func (d *removal) named(ref kube.Ref) bool {
	declared := d.record.Account
	if !slices.Contains(deletable, ref.Kind) {
		return false
	}
	if ref.Kind == "Secret" {
		return ref.Namespace == declared.Namespace && ref.Name == lease.PermanentName(declared.Name)
	}
	return slices.ContainsFunc(d.record.Objects, func(o receipt.Object) bool {
		return o.Kind == "ServiceAccount" && o.Namespace == declared.Namespace &&
			lease.NamesEphemeral(o.Name, declared.Name) && access.NamedFor(ref, o.Namespace, o.Name)
	})
}

// refuseForeign refuses an object that is not the one that the receipt names: recreated, without our label, or another
// owner's. Of an object whose UID the run did not live to record, its mark has to say that it is of one run alone
// (docs/adr/0006-objects-without-uid.md).
func (d *removal) refuseForeign(object kube.Object, recorded receipt.Object) error {
	var why error
	switch {
	case recorded.UID != "" && object.GetUID() != recorded.UID:
		why = errors.New("it was recreated since: its UID is another one")
	case object.GetLabels()[kube.LabelManagedBy] != kube.ManagedBy:
		why = errors.New("it has lost the label " + kube.LabelManagedBy)
	case !access.SameOwner(d.marks(), object):
		why = errors.New("it belongs to another owner: " + cmp.Or(access.DescribeOwner(object), "none"))
	case recorded.UID == "" && !d.fresh && object.GetAnnotations()[kube.AnnotationExpiresAt] == "":
		why = errors.New("the run ended before it knew the object's UID, and nothing says that it is of that run alone")
	default:
		return nil
	}
	return problem.New(problem.Revoke, "delete "+kube.RefOf(object).String(), why,
		"it was left alone: look at it, and delete it with kubectl if it is no longer needed")
}
