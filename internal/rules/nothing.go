package rules

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// CountInNamespace says whether any of the rules grants something where a RoleBinding grants it.
// What this program does not know (a custom resource, a wildcard) may.
func CountInNamespace(rs []rbacv1.PolicyRule) bool {
	return slices.ContainsFunc(accesses(atoms(rs)), func(l line) bool {
		t := l.targets[0]
		if t.url != "" {
			return false
		}
		return slices.ContainsFunc(l.verbs, func(verb string) bool { return countsInNamespace(verb, t) })
	})
}

func countsInNamespace(verb string, t target) bool {
	resource, _, _ := strings.Cut(t.resource, "/")
	switch {
	case builtin[t.group] == nil:
		return true
	case resource == "clusterroles": // binding one by a RoleBinding asks for bind in its namespace
		return verb == "bind" || verb == "*"
	case t.resource == "namespaces": // the URL of a Namespace is in itself
		return !slices.Contains([]string{"list", "watch", "create", "deletecollection"}, verb)
	}
	return !slices.Contains(strings.Fields(clusterScoped), resource)
}
