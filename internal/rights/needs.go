package rights

import (
	"maps"
	"slices"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/access/naming"
	"github.com/kubemint/kubemint/internal/access/reach"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/rules"
)

// Need lists the rights that the runner's identity needs in one place. Namespace is "" for the
// whole cluster.
type Need struct {
	Namespace string
	Rules     []rbacv1.PolicyRule
}

// LeastRights returns the least rights with which the runner's identity completes mint and revoke,
// by place: those of a first run, or with steady those of a run that finds everything as declared.
// A place without rules is one where a steady run needs none, and a first run some.
//
// The verb escalate is never among them, as it lets the runner write any rule into the role. The
// runner holds what it gives away instead, and may bind what it binds.
func LeastRights(
	desired access.Desired, asked config.Token, expect config.Expect, steady bool,
) []Need {
	c := collector{declared: desired.Access, steady: steady, parts: map[string]*part{}}
	for _, o := range desired.Objects {
		c.addObject(o)
	}
	for _, ref := range desired.Named {
		c.addNamed(ref)
	}
	if expect.UID != "" {
		system := c.at(metav1.NamespaceSystem)
		system.own = append(system.own, rules.NewRule("", "namespaces", metav1.NamespaceSystem, "get"))
	}
	home := c.at(desired.Access.ServiceAccount.Namespace)
	home.own = append(home.own, credentialRights(desired.Access, asked, steady)...)
	home.own = append(home.own, lockRights(desired.Access, asked, steady)...)
	return c.needs()
}

// part lists the rights that one place needs: own for what the run does itself, given for what it
// grants.
type part struct{ own, given []rbacv1.PolicyRule }

type collector struct {
	declared config.Access
	steady   bool
	parts    map[string]*part // by namespace; "" is the whole cluster
}

func (c *collector) at(namespace string) *part {
	if c.declared.CreateNamespace && !c.steady {
		namespace = "" // no Role can lie in a namespace that does not exist yet
	}
	if c.parts[namespace] == nil {
		c.parts[namespace] = &part{}
	}
	return c.parts[namespace]
}

// addObject adds the rights on a wanted object.
func (c *collector) addObject(o kube.Object) {
	ref := kube.RefOf(o)
	place := c.at(o.GetNamespace())
	if ref.Kind == "Namespace" && c.steady {
		// A Role in it can let somebody read it. The empty place takes back the first run's rights.
		place = c.at(ref.Name)
	}
	verbs := []string{"get", "create", "patch"}
	switch {
	case c.steady, ref.Kind == "ServiceAccount" && !c.declared.CreateServiceAccount:
		verbs = []string{"get"}
	// its name is random, and revoke deletes it
	case c.declared.Ephemeral && ref.Kind != "Namespace":
		ref.Name = ""
		verbs = append(verbs, "delete")
	}
	resource := kube.Resources[ref.Kind]
	place.own = append(place.own, rules.NewRule(resource.Group, resource.Resource, ref.Name, verbs...))
	if !c.steady {
		place.given = append(place.given, kube.RulesOf(o)...)
	}
}

// addNamed adds the rights to read and bind an existing role. A steady run needs none: the binding
// exists, and a role that cannot be read is reported as unproven.
func (c *collector) addNamed(ref kube.Ref) {
	place := c.at(ref.Namespace)
	if c.steady {
		return
	}
	resource := kube.Resources[ref.Kind]
	on := func(verb string) rbacv1.PolicyRule {
		return rules.NewRule(resource.Group, resource.Resource, ref.Name, verb)
	}
	place.given = append(place.given, on("get"))
	for _, scope := range boundIn(c.declared, ref) {
		// the API server asks for bind where the binding lies, of a ClusterRole too
		place = c.at(scope)
		place.given = append(place.given, on("bind"))
	}
}

// needs returns the rules by place, the whole cluster first: no part repeats what another grants.
func (c *collector) needs() (needs []Need) {
	var everywhere []rbacv1.PolicyRule
	for _, namespace := range slices.Sorted(maps.Keys(c.parts)) {
		place := c.parts[namespace]
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
	for _, place := range reach.ListPlaces(declared) {
		binds := func(bound config.Role) bool { return naming.RoleRef(bound, place) == role }
		if slices.ContainsFunc(declared.Place(place).Roles, binds) {
			places = append(places, place)
		}
	}
	return places
}

// credentialRights are the rights to mint and revoke, in the ServiceAccount's namespace.
func credentialRights(
	declared config.Access, asked config.Token, steady bool,
) []rbacv1.PolicyRule {
	account := declared.ServiceAccount.Name
	if declared.Ephemeral {
		account = ""
	}
	holder := leasename.PermanentSecret(declared.ServiceAccount.Name)
	mint := rules.NewRule(corev1.GroupName, "serviceaccounts/token", account, "create")
	// the authorizer sees no name in a POST
	create := rules.NewRule(corev1.GroupName, "secrets", "", "create")
	switch {
	case asked.Lifetime.Permanent && steady:
		return []rbacv1.PolicyRule{rules.NewRule(corev1.GroupName, "secrets", holder, "get")}
	// a run that fails deletes the Secret that it made, and so does revoke --permanent
	case asked.Lifetime.Permanent:
		return []rbacv1.PolicyRule{
			rules.NewRule(corev1.GroupName, "secrets", holder, "get", "create", "patch", "delete"),
		}
	case asked.Revoke: // a lease's name is random
		return []rbacv1.PolicyRule{
			mint, create, rules.NewRule(coordinationv1.GroupName, "leases", "", "create", "delete"),
		}
	}
	return []rbacv1.PolicyRule{mint}
}

// lockRights are the rights on the lock of the ServiceAccount's access, and on what shows whose
// credentials depend on that.
func lockRights(declared config.Access, asked config.Token, steady bool) []rbacv1.PolicyRule {
	name := lock.NameOf(declared.ServiceAccount.Name)
	onLock := func(verbs ...string) rbacv1.PolicyRule {
		return rules.NewRule(coordinationv1.GroupName, "leases", name, verbs...)
	}
	verbs := []string{"get", "create", "patch"}
	if asked.Revoke && !asked.Lifetime.Permanent {
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
	return []rbacv1.PolicyRule{
		onLock(verbs...), rules.NewRule(coordinationv1.GroupName, "leases", "", "list"),
	}
}
