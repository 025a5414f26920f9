package needs

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Join returns both lists as one.
func (n List) Join(more List) List {
	all := List{Places: slices.Clone(n.Places), Comments: slices.Concat(n.Comments, more.Comments)}
	for _, place := range more.Places {
		same := func(p Place) bool { return p.Cluster == place.Cluster && p.Namespace == place.Namespace }
		if at := slices.IndexFunc(all.Places, same); at >= 0 {
			all.Places[at].Lines = slices.Concat(all.Places[at].Lines, place.Lines)
			continue
		}
		all.Places = append(all.Places, place)
	}
	slices.SortStableFunc(all.Places, comparePlaces)
	return all
}

// comparePlaces sorts the cluster scope first, then by namespace.
func comparePlaces(a, b Place) int {
	switch {
	case a.Cluster == b.Cluster:
		return strings.Compare(a.Namespace, b.Namespace)
	case a.Cluster:
		return -1
	}
	return 1
}

// Rules returns the rules of every place.
func (n List) Rules() (all []rbacv1.PolicyRule) {
	for _, place := range n.Places {
		for _, line := range place.Lines {
			all = append(all, line.Rules...)
		}
	}
	return all
}

// Namespaces returns the namespaces that the list names.
func (n List) Namespaces() (all []string) {
	for _, place := range n.Places {
		if place.Namespace != "" {
			all = append(all, place.Namespace)
		}
	}
	return all
}
