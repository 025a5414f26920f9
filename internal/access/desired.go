package access

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access/naming"
	"github.com/kubemint/kubemint/internal/access/reach"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
)

// Desired describes the objects that the cluster has to have.
type Desired struct {
	Access config.Access
	Marks  owner.Marks
	// Objects are the wanted ones: namespaces (only with create_namespace), the ServiceAccount,
	// roles, bindings.
	Objects []kube.Object
	// Named are the existing roles that the bindings refer to; they are read and never written.
	Named []kube.Ref
}

// IsEphemeral says whether only this run uses the objects.
func (d *Desired) IsEphemeral() bool { return !d.Marks.ExpiresAt.IsZero() }

// Desire builds the wanted objects from the declared access, which has to be complete
// ([config.Access.In]).
func Desire(declared config.Access, marks owner.Marks) Desired {
	d := Desired{Access: declared, Marks: marks}
	if declared.CreateNamespace {
		for _, name := range touchedNamespaces(declared) {
			d.addObject(&corev1.Namespace{}, "Namespace", "", name)
		}
	}
	account := declared.ServiceAccount
	// A pod that runs as the account gets no token mounted: tokens have to be requested.
	d.addObject(
		&corev1.ServiceAccount{AutomountServiceAccountToken: new(false)}, "ServiceAccount",
		account.Namespace, account.Name,
	)
	for _, place := range reach.ListPlaces(declared) {
		d.addGrants(place, declared.Place(place))
	}
	return d
}

// addGrants adds the objects that one place needs: a role with our own rules, bindings, and the
// existing roles that these refer to.
func (d *Desired) addGrants(place string, granted config.Grants) {
	account := d.Access.ServiceAccount
	if len(granted.Rules) > 0 {
		kind := "Role"
		if place == "" {
			kind = "ClusterRole"
		}
		d.addRole(place, kind, granted.Rules)
		d.addBinding(place, naming.ObjectName(account), kind, naming.ObjectName(account))
	}
	for _, role := range granted.Roles {
		d.addBinding(place, naming.BindingName(account, role.Kind, role.Name), role.Kind, role.Name)
		// a ClusterRole is the same for all places
		if ref := naming.RoleRef(role, place); !slices.Contains(d.Named, ref) {
			d.Named = append(d.Named, ref)
		}
	}
}

// touchedNamespaces lists all namespaces that the run touches, including the ServiceAccount's.
func touchedNamespaces(declared config.Access) []string {
	if slices.Contains(declared.Namespaces, declared.ServiceAccount.Namespace) {
		return declared.Namespaces
	}
	return append([]string{declared.ServiceAccount.Namespace}, declared.Namespaces...)
}

func (d *Desired) addObject(o kube.Object, kind, namespace, name string) {
	o.GetObjectKind().SetGroupVersionKind(kube.Resources[kind].GroupVersion().WithKind(kind))
	o.SetNamespace(namespace)
	o.SetName(name)
	o.SetLabels(d.Marks.LabelsFor(d.Access.ServiceAccount))
	marks := d.Marks
	if kind == "Namespace" { // it stays, whatever else was made in it
		marks.ExpiresAt = time.Time{}
	}
	o.SetAnnotations(marks.Annotations())
	d.Objects = append(d.Objects, o)
}

func (d *Desired) addRole(namespace, kind string, rs []rbacv1.PolicyRule) {
	name := naming.ObjectName(d.Access.ServiceAccount)
	if kind == "ClusterRole" {
		d.addObject(&rbacv1.ClusterRole{Rules: rs}, kind, "", name)
		return
	}
	d.addObject(&rbacv1.Role{Rules: rs}, kind, namespace, name)
}

func (d *Desired) addBinding(namespace, name, roleKind, role string) {
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: roleKind, Name: role}
	subjects := []rbacv1.Subject{{
		Kind: rbacv1.ServiceAccountKind, Namespace: d.Access.ServiceAccount.Namespace,
		Name: d.Access.ServiceAccount.Name,
	}}
	if namespace == "" {
		d.addObject(
			&rbacv1.ClusterRoleBinding{Subjects: subjects, RoleRef: ref}, "ClusterRoleBinding", "",
			name,
		)
		return
	}
	d.addObject(&rbacv1.RoleBinding{Subjects: subjects, RoleRef: ref}, "RoleBinding", namespace, name)
}

// GrantedIn returns the rules that take effect in a place: our own, and those of the bound roles
// that could be read.
func (d Desired) GrantedIn(place string, observed Observed) []rbacv1.PolicyRule {
	declared := d.Access.Place(place)
	all := slices.Clone(declared.Rules)
	for _, role := range declared.Roles {
		if named := observed.Named[naming.RoleRef(role, place)]; named != nil {
			all = append(all, kube.RulesOf(named)...)
		}
	}
	return all
}
