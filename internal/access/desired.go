package access

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"

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
	// Tokens are for those who ask for one: no pod that runs as the account finds one mounted.
	d.addObject(
		&corev1.ServiceAccount{AutomountServiceAccountToken: new(false)}, "ServiceAccount",
		account.Namespace, account.Name,
	)
	for _, place := range ListPlaces(declared) {
		d.addGrants(place, declared.Place(place))
	}
	return d
}

// ListPlaces are where access is declared: the namespaces, and "" for the cluster scope.
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

// DescribeReach names where access is declared, for a person.
func DescribeReach(declared config.Access) string {
	namespaces := strings.Join(declared.Namespaces, ", ")
	switch {
	case declared.Cluster.Empty():
		return namespaces
	case declared.Namespaced.Empty():
		return WholeCluster
	}
	return namespaces + " and " + WholeCluster
}

// GrantsNear is what is declared for where the ServiceAccount is; anywhere means that it may be in
// any namespace.
func GrantsNear(declared config.Access, anywhere bool) config.Grants {
	near := declared.Cluster
	if anywhere || slices.Contains(declared.Namespaces, declared.ServiceAccount.Namespace) {
		near.Rules = declared.AllRules()
		near.Roles = slices.Concat(near.Roles, declared.Namespaced.Roles)
	}
	return near
}

// addGrants adds what one place takes: a role with our own rules, bindings, and the existing roles
// that these refer to.
func (d *Desired) addGrants(place string, granted config.Grants) {
	account := d.Access.ServiceAccount
	if len(granted.Rules) > 0 {
		kind := "Role"
		if place == "" {
			kind = "ClusterRole"
		}
		d.addRole(place, kind, granted.Rules)
		d.addBinding(place, ObjectName(account), kind, ObjectName(account))
	}
	for _, role := range granted.Roles {
		d.addBinding(place, BindingName(account, role.Kind, role.Name), role.Kind, role.Name)
		// a ClusterRole is the same for all places
		if ref := NamedRef(role, place); !slices.Contains(d.Named, ref) {
			d.Named = append(d.Named, ref)
		}
	}
}

// NamedRef names an existing role that is bound in a place.
func NamedRef(role config.Role, place string) kube.Ref {
	if role.Kind == "Role" {
		return kube.Ref{Kind: role.Kind, Namespace: place, Name: role.Name}
	}
	return kube.Ref{Kind: role.Kind, Name: role.Name}
}

// ObjectName is that of the objects which carry our own rules. Colons are allowed in RBAC names
// alone, so that nothing else that a user makes is called so by accident.
func ObjectName(account types.NamespacedName) string {
	return "kubemint:" + account.Namespace + ":" + account.Name
}

// BindingName is that of the binding of an existing role.
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

// touchedNamespaces are all that the run touches, the ServiceAccount's among them.
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
	name := ObjectName(d.Access.ServiceAccount)
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

// GrantedIn are the rules that take effect in a place: our own, and those of the bound roles that
// could be read.
func (d Desired) GrantedIn(place string, observed Observed) []rbacv1.PolicyRule {
	declared := d.Access.Place(place)
	all := slices.Clone(declared.Rules)
	for _, role := range declared.Roles {
		if named := observed.Named[NamedRef(role, place)]; named != nil {
			all = append(all, kube.RulesOf(named)...)
		}
	}
	return all
}
