package access

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
)

// FindMoved returns the ServiceAccounts that the declared one may have replaced: every binding that
// kubemint made for them was made for this owner by this job, and lies where this run declares
// access too. An account of the same job for other namespaces, as of another leg of a matrix, is
// not among them.
func FindMoved(desired Desired, job string, bindings []kube.Object) []types.NamespacedName {
	places := map[string]bool{}
	for _, object := range desired.Objects {
		if kube.IsBinding(object) {
			places[object.GetNamespace()] = true
		}
	}
	moved := map[types.NamespacedName]bool{}
	for _, object := range bindings {
		account, ok := accountOf(object)
		if !ok || account == desired.Access.ServiceAccount {
			continue
		}
		marks := object.GetAnnotations()
		same := desired.Marks.Owner != "" && owner.Same(desired.Marks, object) &&
			marks[owner.AnnotationJob] == job && marks[kube.AnnotationExpiresAt] == "" &&
			places[object.GetNamespace()]
		before, seen := moved[account]
		moved[account] = same && (before || !seen)
	}
	maps.DeleteFunc(moved, func(_ types.NamespacedName, same bool) bool { return !same })
	return slices.SortedFunc(maps.Keys(moved), func(a, b types.NamespacedName) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
}

// accountOf is the ServiceAccount for which kubemint made a binding. Its names go into commands for
// people, and the API server does not look at a subject's namespace.
func accountOf(o kube.Object) (types.NamespacedName, bool) {
	subjects, _, _ := kube.BindingOf(o)
	if len(subjects) != 1 || subjects[0].Kind != rbacv1.ServiceAccountKind {
		return types.NamespacedName{}, false
	}
	account := types.NamespacedName{Namespace: subjects[0].Namespace, Name: subjects[0].Name}
	faults := validation.IsDNS1123Label(account.Namespace)
	faults = append(faults, validation.IsDNS1123Subdomain(account.Name)...)
	return account, len(faults) == 0 && kube.IsManaged(o, account)
}
