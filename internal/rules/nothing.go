package rules

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules/names"
)

// CountInNamespace says whether any of the rules grants something where a RoleBinding grants it.
// What this program does not know (a custom resource, a wildcard) may.
func CountInNamespace(rs []rbacv1.PolicyRule) bool {
	return slices.ContainsFunc(groupByTarget(breakDown(rs)), func(l Line) bool {
		t := l.Targets[0]
		if t.URL != "" {
			return false
		}
		return slices.ContainsFunc(
			l.Verbs, func(verb string) bool { return countsInNamespace(verb, t) },
		)
	})
}

func countsInNamespace(verb string, t Target) bool {
	resource, _, _ := strings.Cut(t.Resource, "/")
	switch {
	case names.Builtin[t.Group] == nil:
		return true
	case resource == "clusterroles": // binding one by a RoleBinding asks for bind in its namespace
		return verb == "bind" || verb == "*"
	case t.Resource == "namespaces": // the URL of a Namespace is in itself
		return !slices.Contains([]string{"list", "watch", "create", "deletecollection"}, verb)
	}
	return !names.IsClusterScoped(resource)
}
