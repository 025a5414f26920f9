package proof

import (
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/access/naming"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/rules"
)

// RolesOfNothing warns of bound roles that grant nothing where they are bound. kubemint only warns:
// the role may be filled later, and the account may have other access.
func RolesOfNothing(desired access.Desired, observed access.Observed) (warnings []string) {
	type empty struct{ role, why string }
	type looked struct {
		role   kube.Object // the same one for every namespace, and with a thousand rules
		inRole bool
	}
	why := map[looked]string{}
	where := map[empty][]string{}
	var order []empty
	for _, place := range append([]string{""}, desired.Access.Namespaces...) {
		for _, role := range desired.Access.Place(place).Roles {
			named := observed.Named[naming.RoleRef(role, place)]
			if named == nil {
				continue
			}
			key := looked{named, place != ""}
			if _, done := why[key]; !done {
				why[key] = explainNothing(named, place)
			}
			found := empty{role.Kind + " " + role.Name, why[key]}
			if found.why == "" {
				continue
			}
			if where[found] == nil {
				order = append(order, found)
			}
			where[found] = append(where[found], place)
		}
	}
	for _, found := range order {
		warnings = append(
			warnings, found.role+" grants nothing "+describePlaces(where[found])+": "+found.why,
		)
	}
	return warnings
}

// explainNothing says why a role grants nothing in a place, "" if it grants something.
func explainNothing(role kube.Object, place string) string {
	granted := kube.RulesOf(role)
	clusterRole, ok := role.(*rbacv1.ClusterRole)
	switch {
	case rules.CountInNamespace(granted), place == "" && len(rules.Format(granted)) > 0:
		return ""
	case len(rules.Format(granted)) > 0:
		return "its rules are only about what belongs to no namespace: " +
			"bind it at cluster scope, as `cluster:" + role.GetName() + "`"
	case ok && clusterRole.AggregationRule != nil:
		return "it has no rules yet, " +
			"which the controller clusterrole-aggregation of kube-controller-manager fills in"
	}
	return "it has no rules"
}

func describePlaces(namespaces []string) string {
	const most = 10
	if namespaces[0] == "" && len(namespaces) > 1 {
		return "at cluster scope, and " + describePlaces(namespaces[1:])
	}
	if namespaces[0] == "" {
		return "at cluster scope"
	}
	if more := len(namespaces) - most; more > 0 {
		return fmt.Sprintf("in namespaces %s and %d more", strings.Join(namespaces[:most], ", "), more)
	}
	if len(namespaces) == 1 {
		return "in namespace " + namespaces[0]
	}
	return "in namespaces " + strings.Join(namespaces, ", ")
}
