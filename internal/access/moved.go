package access

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Moved are the ServiceAccounts whose place the declared one may have taken: every binding that kubemint
// made for them was made for this owner by this job, and lies where this run declares access too. An
// account of the same job for other namespaces, as of another leg of a matrix, is not among them.
func Moved(desired Desired, job string, bindings []Object) []types.NamespacedName {
	places := map[string]bool{}
	for _, object := range desired.Objects {
		if IsBinding(object) {
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
		same := desired.Marks.Owner != "" && SameOwner(desired.Marks, object) &&
			marks[AnnotationJob] == job && marks[AnnotationExpiresAt] == "" && places[object.GetNamespace()]
		before, seen := moved[account]
		moved[account] = same && (before || !seen)
	}
	maps.DeleteFunc(moved, func(_ types.NamespacedName, same bool) bool { return !same })
	return slices.SortedFunc(maps.Keys(moved), func(a, b types.NamespacedName) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
}

// accountOf is the ServiceAccount for which kubemint made a binding. Its names go into commands for people,
// and the API server does not look at a subject's namespace.
func accountOf(o Object) (types.NamespacedName, bool) {
	subjects, _, _ := binding(o)
	if len(subjects) != 1 || subjects[0].Kind != rbacv1.ServiceAccountKind {
		return types.NamespacedName{}, false
	}
	account := types.NamespacedName{Namespace: subjects[0].Namespace, Name: subjects[0].Name}
	faults := validation.IsDNS1123Label(account.Namespace)
	faults = append(faults, validation.IsDNS1123Subdomain(account.Name)...)
	return account, len(faults) == 0 && Managed(o, account)
}

// Holding are those of an account's leases that are live and depend on other access than the declared one,
// whose hash is given. One that does not say what it depends on, or until when it lives, is among them; one that declared
// nothing is not. Without a hash all others are.
func Holding(leases []Object, declared string, now time.Time) (holding []Object) {
	for _, lease := range leases {
		marks := lease.GetAnnotations()
		end, expires := marks[AnnotationExpiresAt]
		at, err := time.Parse(time.RFC3339, end)
		over := err == nil && now.After(at)
		var depends bool
		switch marks[AnnotationAccess] {
		case Undeclared:
		case declared:
			depends = declared == ""
		default:
			depends = true
		}
		if !over && depends && (expires || namesCredential(lease.GetName())) {
			holding = append(holding, lease)
		}
	}
	return holding
}

// namesCredential says whether a Lease's name ends as those of credentials do, and that of an account's
// lock does not: in a dash and ten characters of base 32.
func namesCredential(name string) bool {
	const random = 10
	at := len(name) - random - 1
	return at >= 0 && name[at] == '-' && strings.Trim(name[at+1:], "abcdefghijklmnopqrstuvwxyz234567") == ""
}
