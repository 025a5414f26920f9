package naming

import (
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
)

// RoleRef names an existing role that is bound in a place.
func RoleRef(role config.Role, place string) kube.Ref {
	if role.Kind == "Role" {
		return kube.Ref{Kind: role.Kind, Namespace: place, Name: role.Name}
	}
	return kube.Ref{Kind: role.Kind, Name: role.Name}
}

// ObjectName returns the name of the roles with our own rules, and of their bindings. Only RBAC
// names may contain colons, so no other object of a user has this name by accident.
func ObjectName(account types.NamespacedName) string {
	return "kubemint:" + account.Namespace + ":" + account.Name
}

// BindingName returns the name of the binding of an existing role.
func BindingName(account types.NamespacedName, roleKind, role string) string {
	return ObjectName(account) + ":" + strings.ToLower(roleKind) + ":" + role
}

// NamedFor says whether an object has a name that we give a ServiceAccount and what we make for it.
func NamedFor(ref kube.Ref, namespace, account string) bool {
	if ref.Kind == "ServiceAccount" {
		return ref.Namespace == namespace && ref.Name == account
	}
	name := ObjectName(types.NamespacedName{Namespace: namespace, Name: account})
	rest, ok := strings.CutPrefix(ref.Name, name)
	return ok &&
		(rest == "" || strings.HasPrefix(rest, ":role:") || strings.HasPrefix(rest, ":clusterrole:"))
}
