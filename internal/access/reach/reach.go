package reach

import (
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/config"
)

// ListPlaces lists where access is declared: the namespaces, and "" for the cluster scope.
func ListPlaces(declared config.Access) (places []string) {
	if !declared.Namespaced.Empty() {
		places = slices.Clone(declared.Namespaces)
	}
	if !declared.Cluster.Empty() {
		places = append(places, "")
	}
	return places
}

// WholeCluster is the cluster scope, for a person.
const WholeCluster = "the whole cluster"

// Describe names where access is declared, for a person.
func Describe(declared config.Access) string {
	namespaces := strings.Join(declared.Namespaces, ", ")
	switch {
	case declared.Cluster.Empty():
		return namespaces
	case declared.Namespaced.Empty():
		return WholeCluster
	}
	return namespaces + " and " + WholeCluster
}

// GrantsNear returns the grants that reach the ServiceAccount's namespace; anywhere means that it
// may be in any namespace.
func GrantsNear(declared config.Access, anywhere bool) config.Grants {
	near := declared.Cluster
	if anywhere || slices.Contains(declared.Namespaces, declared.ServiceAccount.Namespace) {
		near.Rules = declared.AllRules()
		near.Roles = slices.Concat(near.Roles, declared.Namespaced.Roles)
	}
	return near
}
