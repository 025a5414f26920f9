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

	"github.com/kubemint/kubemint/internal/kube"
)

// Moved are the ServiceAccounts whose place the declared one may have taken: every binding that kubemint
// made for them was made for this owner by this job, and lies where this run declares access too. An
// account of the same job for other namespaces, as of another leg of a matrix, is not among them.
func Moved(desired Desired, job string, bindings []kube.Object) []types.NamespacedName {
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
		same := desired.Marks.Owner != "" && SameOwner(desired.Marks, object) &&
			marks[kube.AnnotationJob] == job && marks[kube.AnnotationExpiresAt] == "" && places[object.GetNamespace()]
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
func accountOf(o kube.Object) (types.NamespacedName, bool) {
	subjects, _, _ := kube.Binding(o)
	if len(subjects) != 1 || subjects[0].Kind != rbacv1.ServiceAccountKind {
		return types.NamespacedName{}, false
	}
	account := types.NamespacedName{Namespace: subjects[0].Namespace, Name: subjects[0].Name}
	faults := validation.IsDNS1123Label(account.Namespace)
	faults = append(faults, validation.IsDNS1123Subdomain(account.Name)...)
	return account, len(faults) == 0 && kube.Managed(o, account)
}

// Holding are those of an account's leases that are live and depend on other access than the declared one,
// whose hash is given; without a hash, all of them, which depend on the account itself. A lease that declared
// nothing depends on no access. One whose declaration or expiry cannot be read is among them.
func Holding(leases []kube.Object, declared string, now time.Time) (holding []kube.Object) {
	for _, lease := range leases {
		end, expires := Expiry(lease)
		if (!expires && !endsRandomly(lease.GetName())) || Over(lease, now) { // the account's lock, or a dead credential
			continue
		}
		hash := lease.GetAnnotations()[kube.AnnotationAccess]
		harmless := declared != "" && (hash == Undeclared || hash == declared)
		if end.IsZero() || !harmless {
			holding = append(holding, lease)
		}
	}
	return holding
}

// Expiry is when a lease's credential expires. It is zero where the annotation is no time; said is whether
// there is one.
func Expiry(lease kube.Object) (at time.Time, said bool) {
	end, said := lease.GetAnnotations()[kube.AnnotationExpiresAt]
	at, err := time.Parse(time.RFC3339, end)
	if err != nil {
		return time.Time{}, said
	}
	return at, said
}

// DeadAfter is how long after a lease's expiry its token may still be accepted: the API server forgives a
// minute (jwt.DefaultLeeway in Validate of pkg/serviceaccount/claims.go), and the token was requested after
// the lease was made: a moment mostly, and never longer than `timeout`, whose default is two minutes.
const DeadAfter = 2 * time.Minute

// Over says whether a lease's credential is dead by its expiry. One whose expiry cannot be read may live.
func Over(lease kube.Object, now time.Time) bool {
	at, _ := Expiry(lease)
	return !at.IsZero() && now.After(at.Add(DeadAfter))
}
