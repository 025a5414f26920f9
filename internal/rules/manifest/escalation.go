package manifest

import (
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules/needs"
)

// DeriveEscalations returns what the escalation check wants for roles and bindings that were
// written.
func DeriveEscalations(objects []Object) needs.List {
	d := deriver{objects: objects}
	d.addEscalations()
	return needs.List{Places: d.places(), Comments: d.notes}
}

// addEscalations adds what the escalation check wants for the roles and bindings of the input.
func (d *deriver) addEscalations() {
	defined := d.definedRoles()
	for _, o := range d.objects {
		switch {
		case o.Role != nil:
			d.addRole(o)
		case o.RoleRef != nil && !defined[o.boundRole()]:
			d.addBinding(o)
		}
		if o.Params {
			d.notes = append(d.notes, fmt.Sprintf("%s: it has parameters, and the API server wants its "+
				"author to be allowed "+
				"to get them", o))
		}
	}
}

// addRole has the deployer hold what a role grants.
func (d *deriver) addRole(o Object) {
	if o.Role.Aggregate {
		d.notes = append(d.notes, fmt.Sprintf("%s: it gathers the rules of other roles, which takes  "+
			"cluster escalate clusterroles %s : "+
			"whoever has that may grant anything", o, o.Name))
		return
	}
	if len(o.Role.Rules) == 0 {
		return
	}
	d.held = append(d.held, heldRole{scopeOf(o), needs.Line{
		Rules: o.Role.Rules, For: []string{o.String()}, Because: "whoever writes a role has to hold its rules",
	}})
}

// addBinding has the deployer bind a role that is not in the input.
func (d *deriver) addBinding(o Object) {
	resource := "roles"
	if o.RoleRef.Kind == "ClusterRole" {
		resource = "clusterroles"
	}
	d.held = append(d.held, heldRole{scopeOf(o), needs.Line{
		Rules: []rbacv1.PolicyRule{{
			Verbs: []string{"bind"}, APIGroups: []string{rbacv1.GroupName},
			Resources: []string{resource}, ResourceNames: []string{o.RoleRef.Name},
		}},
		For: []string{o.String()}, Because: "it binds a role that these manifests do not have",
	}})
}

// roleKey names a role; a ClusterRole has no namespace.
type roleKey struct{ kind, namespace, name string }

// definedRoles are the roles of the input, whose rules the deployer holds.
func (d *deriver) definedRoles() map[roleKey]bool {
	all := map[roleKey]bool{}
	for _, o := range d.objects {
		if o.Role == nil || o.Role.Aggregate {
			continue
		}
		key := roleKey{o.Kind, o.Namespace, o.Name}
		if o.Kind == "ClusterRole" {
			key.namespace = ""
		}
		all[key] = true
	}
	return all
}

// boundRole is the role that a binding binds.
func (o Object) boundRole() roleKey {
	key := roleKey{o.RoleRef.Kind, o.Namespace, o.RoleRef.Name}
	if key.kind == "ClusterRole" {
		key.namespace = ""
	}
	return key
}

// scopeOf is the place of a role or a binding.
func scopeOf(o Object) spot {
	if o.Kind == "ClusterRole" || o.Kind == "ClusterRoleBinding" {
		return spot{cluster: true}
	}
	return spot{namespace: o.Namespace}
}
