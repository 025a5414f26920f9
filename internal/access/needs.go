package access

import (
	"maps"
	"slices"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/rules"
)

// Need is what the runner's identity has to be allowed in one place. Namespace is "" for the whole cluster.
type Need struct {
	Namespace string
	Rules     []rbacv1.PolicyRule
}

// Needs are the least rights with which the runner's identity completes mint and revoke, by place: those of a first run,
// or with steady those of one that finds everything as it is declared. tokenSecret is the name of a permanent token's
// Secret. A place without rules is one where a steady run needs none, and a first run some.
//
// The verb escalate is never among them, as it lets the runner write any rule into the role: it holds what it gives
// away, and may bind what it binds.
func Needs(desired Desired, asked config.Token, expect config.Expect, tokenSecret string, steady bool) []Need {
	declared, account := desired.Access, desired.Access.ServiceAccount
	type part struct{ own, given []rbacv1.PolicyRule } // for what the run does itself, and for what it gives away
	parts := map[string]*part{}
	in := func(namespace string) *part {
		if declared.CreateNamespace && !steady {
			namespace = "" // no Role can lie in a namespace that is not there yet
		}
		if parts[namespace] == nil {
			parts[namespace] = &part{}
		}
		return parts[namespace]
	}

	for _, o := range desired.Objects {
		ref, verbs, place := kube.RefOf(o), []string{"get", "create", "patch"}, in(o.GetNamespace())
		if ref.Kind == "Namespace" && steady {
			place = in(ref.Name) // a Role in it can let somebody read it; the empty place takes back what the first run had
		}
		switch {
		case steady, ref.Kind == "ServiceAccount" && !declared.CreateServiceAccount:
			verbs = []string{"get"}
		case declared.Ephemeral && ref.Kind != "Namespace": // its name is random, and revoke deletes it
			ref.Name, verbs = "", append(verbs, "delete")
		}
		place.own = append(place.own, allow(kube.Resources[ref.Kind].Group, kube.Resources[ref.Kind].Resource, ref.Name, verbs...))
		if !steady {
			place.given = append(place.given, kube.Rules(o)...)
		}
	}
	for _, ref := range desired.Named {
		place := in(ref.Namespace)
		if steady { // the binding is there, and a role that cannot be read is reported as unproven
			continue
		}
		group, resource := kube.Resources[ref.Kind].Group, kube.Resources[ref.Kind].Resource
		place.given = append(place.given, allow(group, resource, ref.Name, "get"))
		for _, scope := range boundIn(declared, ref) { // bind is asked for where the binding lies, of a ClusterRole too
			place = in(scope)
			place.given = append(place.given, allow(group, resource, ref.Name, "bind"))
		}
	}
	if expect.UID != "" {
		system := in(metav1.NamespaceSystem)
		system.own = append(system.own, allow("", "namespaces", metav1.NamespaceSystem, "get"))
	}
	home := in(account.Namespace)
	home.own = append(home.own, credential(declared, asked, tokenSecret, steady)...)
	home.own = append(home.own, lockRights(declared, asked, steady)...)

	var needs []Need
	var everywhere []rbacv1.PolicyRule                          // "" comes first
	for _, namespace := range slices.Sorted(maps.Keys(parts)) { // what one part grants, no other repeats
		place := parts[namespace]
		given := rules.Covers(place.own, place.given)
		least := rules.Covers(everywhere, append(rules.Covers(given, place.own), given...))
		needs = append(needs, Need{Namespace: namespace, Rules: least})
		if namespace == "" {
			everywhere = least
		}
	}
	return needs
}

// boundIn are the places in which a role is bound.
func boundIn(declared config.Access, role kube.Ref) (places []string) {
	for _, place := range Places(declared) {
		binds := func(bound config.Role) bool { return NamedRef(bound, place) == role }
		if slices.ContainsFunc(declared.Place(place).Roles, binds) {
			places = append(places, place)
		}
	}
	return places
}

// credential are the rights to mint and revoke, in the ServiceAccount's namespace.
func credential(declared config.Access, asked config.Token, tokenSecret string, steady bool) []rbacv1.PolicyRule {
	account := declared.ServiceAccount.Name
	if declared.Ephemeral {
		account = ""
	}
	mint := allow(corev1.GroupName, "serviceaccounts/token", account, "create")
	create := allow(corev1.GroupName, "secrets", "", "create") // the authorizer sees no name in a POST
	switch {
	case asked.Duration == config.Permanent && steady:
		return []rbacv1.PolicyRule{allow(corev1.GroupName, "secrets", tokenSecret, "get")}
	case asked.Duration == config.Permanent: // a run that fails deletes the Secret that it made, and so does revoke --permanent
		return []rbacv1.PolicyRule{allow(corev1.GroupName, "secrets", tokenSecret, "get", "create", "patch", "delete")}
	case asked.Revoke: // a lease's name is random
		return []rbacv1.PolicyRule{mint, create, allow(coordinationv1.GroupName, "leases", "", "create", "delete")}
	}
	return []rbacv1.PolicyRule{mint}
}

// lockRights are the rights on the lock of the ServiceAccount's access, and on what shows whose credentials depend on that.
func lockRights(declared config.Access, asked config.Token, steady bool) []rbacv1.PolicyRule {
	name := LockName(declared.ServiceAccount.Name)
	onLock := func(verbs ...string) rbacv1.PolicyRule {
		return allow(coordinationv1.GroupName, "leases", name, verbs...)
	}
	verbs := []string{"get", "create", "patch"}
	if asked.Revoke && asked.Duration != config.Permanent {
		verbs = []string{"get", "patch"} // it may create any lease
	}
	switch {
	case declared.Ephemeral: // nobody shares it
		return nil
	case steady, !declared.Grants() && !declared.CreateServiceAccount: // it changes nothing
		return []rbacv1.PolicyRule{onLock("get")}
	case !declared.Grants(): // it makes the account, which no credential depends on
		return []rbacv1.PolicyRule{onLock(verbs...)}
	}
	return []rbacv1.PolicyRule{onLock(verbs...), allow(coordinationv1.GroupName, "leases", "", "list")}
}

// allow is a rule for the object of that name; "" is every object.
func allow(group, resource, name string, verbs ...string) rbacv1.PolicyRule {
	rule := rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	if name != "" {
		rule.ResourceNames = []string{name}
	}
	return rule
}
