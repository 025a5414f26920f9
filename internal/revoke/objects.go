package revoke

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/access/naming"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
)

// deletable are the kinds that a receipt may name besides leases.
var deletable = []string{
	"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Secret",
}

// deleteObjects deletes the objects of a receipt that are not leases: the objects of an ephemeral
// identity, the Secret of a permanent token. It says which, in the receipt's order, and returns an
// error for each that is left.
func (r Revoker) deleteObjects(
	ctx context.Context, record *receipt.Receipt, objects []receipt.Object,
) error {
	deleted := make([]bool, len(objects))
	err := parallel.Each(len(objects), func(i int) (err error) {
		deleted[i], err = r.deleteObject(ctx, record, objects[i])
		return err
	})
	var done []access.Change
	for i, o := range objects {
		if deleted[i] {
			done = append(done, access.Change{Verb: access.Deleted, Ref: refOf(o)})
		}
	}
	r.Show(access.Plan{Changes: done})
	return err
}

func (r Revoker) deleteObject(
	ctx context.Context, record *receipt.Receipt, recorded receipt.Object,
) (deleted bool, err error) {
	ref := refOf(recorded)
	object := client.NewObject(ref)
	if object == nil || !isNamedFor(record, ref) {
		return false, problem.Newf(problem.Revoke, "delete "+ref.String(),
			"kubemint makes no object of that name for ServiceAccount %s/%s",
			record.Account.Namespace, record.Account.Name).Hint("it was left alone")
	}
	if err := r.Server.Get(ctx, object); err != nil {
		if answer.IsMissing(err) {
			return false, nil
		}
		return false, r.Server.Explain(problem.Revoke, "read "+ref.String(), err)
	}
	if err := r.refuseForeign(object, recorded); err != nil {
		return false, err
	}
	err = r.Server.Remove(ctx, object)
	return err == nil, r.Server.Explain(problem.Revoke, "delete "+ref.String(), err)
}

// isNamedFor says whether an object has a name that we give those of the receipt's ServiceAccount:
// of an ephemeral one, or the Secret of a permanent token.
func isNamedFor(record *receipt.Receipt, ref kube.Ref) bool {
	declared := record.Account
	if !slices.Contains(deletable, ref.Kind) {
		return false
	}
	if ref.Kind == "Secret" {
		return ref.Namespace == declared.Namespace && ref.Name == leasename.PermanentSecret(declared.Name)
	}
	return slices.ContainsFunc(record.Objects, func(o receipt.Object) bool {
		return o.Kind == "ServiceAccount" && o.Namespace == declared.Namespace &&
			leasename.IsEphemeral(o.Name, declared.Name) && naming.NamedFor(ref, o.Namespace, o.Name)
	})
}

// refuseForeign refuses an object that is not the one that the receipt names: recreated, without
// our label, or another owner's. An object whose UID the run did not live to record has to bear the
// mark of objects that are made for a single run (docs/adr/0006-objects-without-uid.md).
func (r Revoker) refuseForeign(object kube.Object, recorded receipt.Object) error {
	var why error
	switch {
	case recorded.UID != "" && object.GetUID() != recorded.UID:
		why = errors.New("it was recreated since: its UID is another one")
	case object.GetLabels()[kube.LabelManagedBy] != kube.ManagedBy:
		why = errors.New("it has lost the label " + kube.LabelManagedBy)
	case !owner.Same(r.Marks, object):
		why = errors.New("it belongs to another owner: " + cmp.Or(owner.Describe(object), "none"))
	case recorded.UID == "" && !r.Fresh && object.GetAnnotations()[kube.AnnotationExpiresAt] == "":
		why = errors.New(
			"the run ended before it knew the object's UID, and nothing says that it is of that run alone",
		)
	default:
		return nil
	}
	return problem.New(problem.Revoke, "delete "+kube.RefOf(object).String(), why,
		"it was left alone: look at it, and delete it with kubectl if it is no longer needed")
}
