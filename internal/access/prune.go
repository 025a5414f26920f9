package access

import (
	"errors"
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/kube"
)

// Prune plans the deletion of those of the listed Roles and bindings, all with our marks for this
// ServiceAccount, that are declared no longer, whichever of the owner's jobs made them. What is not
// this owner's to delete is left out and reported, joined, as by [Diff].
func Prune(desired Desired, listed []kube.Object) (Plan, error) {
	wanted := map[kube.Ref]bool{}
	for _, object := range desired.Objects {
		wanted[kube.RefOf(object)] = true
	}
	var plan Plan
	var refusals []error
	for _, object := range listed {
		ref := kube.RefOf(object)
		switch err := desired.refuseForeign(object, "delete"); {
		// what expires is for sweep
		case wanted[ref], object.GetAnnotations()[kube.AnnotationExpiresAt] != "":
		case isUntouchable(object):
			plan.Warnings = append(
				plan.Warnings,
				ref.String()+" is declared no longer and is left: its annotation "+
					rbacv1.AutoUpdateAnnotationKey+" is false",
			)
		case err != nil:
			refusals = append(refusals, err)
		default:
			plan.Changes = append(
				plan.Changes,
				Change{Verb: Deleted, Ref: ref, Delete: object, Removed: kube.RulesOf(object)},
			)
		}
	}
	return plan, errors.Join(refusals...)
}

// SelectRemovable selects the listed objects that this owner may delete. All of them have our marks
// for this ServiceAccount. A warning names the objects that an administrator wants to keep, and an
// error those of another owner.
func SelectRemovable(
	desired Desired, listed []kube.Object,
) (own []kube.Object, warnings []string, left error) {
	var refusals []error
	for _, object := range listed {
		switch err := desired.refuseForeign(object, "delete"); {
		case err != nil:
			refusals = append(refusals, err)
		case isUntouchable(object):
			warnings = append(
				warnings,
				kube.RefOf(object).
					String()+
					" is left: its annotation "+rbacv1.AutoUpdateAnnotationKey+" is false",
			)
		default:
			own = append(own, object)
		}
	}
	return own, warnings, errors.Join(refusals...)
}

// namedElsewhere is how many objects the warning names.
const namedElsewhere = 3

// warnElsewhere warns of objects that [Prune] would delete in namespaces that are not declared. It
// ignores other owners' objects.
func warnElsewhere(desired Desired, listed []kube.Object) []string {
	plan, _ := Prune(desired, listed)
	if len(plan.Changes) == 0 {
		return nil
	}
	var names []string
	for i, change := range plan.Changes {
		if i == namedElsewhere {
			names[i-1] += fmt.Sprintf(" and %d more", len(plan.Changes)-i)
			break
		}
		names = append(names, change.Ref.String())
	}
	return []string{
		"not declared by this run, and left, in other namespaces: " + strings.Join(names, ", ") +
			": `kubemint prune` deletes them",
	}
}
