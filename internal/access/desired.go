package access

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/config"
)

// Desired is what has to be on the cluster.
type Desired struct {
	Access config.Access
	Marks  Marks
	// Objects are the wanted ones: namespaces (only with create_namespace), the ServiceAccount, roles, bindings.
	Objects []Object
	// Named are the existing roles that the bindings refer to; they are read and never written.
	Named []Ref
}

// Ephemeral says whether the objects are of this run alone.
func (d *Desired) Ephemeral() bool { return !d.Marks.ExpiresAt.IsZero() }

// Own hands the ephemeral objects of the owner's namespace to the garbage collector, which deletes them after the
// lease. An owner in another namespace would have it delete them at once. All expire when the lease does.
func (d *Desired) Own(owner metav1.OwnerReference, lease Object) {
	for _, o := range d.Objects {
		if marks := o.GetAnnotations(); marks[AnnotationExpiresAt] != "" {
			marks[AnnotationExpiresAt] = lease.GetAnnotations()[AnnotationExpiresAt]
		}
		if o.GetNamespace() == lease.GetNamespace() {
			o.SetOwnerReferences([]metav1.OwnerReference{owner})
		}
	}
}

// Desire builds the wanted objects from the declared access, which has to be complete ([config.Access.In]).
func Desire(declared config.Access, marks Marks) Desired {
	d := Desired{Access: declared, Marks: marks}
	if declared.CreateNamespace {
		for _, name := range namespaces(declared) {
			d.add(&corev1.Namespace{}, "Namespace", "", name)
		}
	}
	account := declared.ServiceAccount
	d.add(&corev1.ServiceAccount{}, "ServiceAccount", account.Namespace, account.Name)

	scopes, roleKind := declared.Namespaces, "Role"
	if declared.ClusterScope {
		scopes, roleKind = []string{""}, "ClusterRole"
	}
	for i, scope := range scopes {
		if len(declared.Rules) > 0 {
			name := Name(account)
			d.role(scope, roleKind, name)
			d.bind(scope, name, roleKind, name)
		}
		for _, role := range declared.Roles {
			d.bind(scope, BindingName(account, role.Kind, role.Name), role.Kind, role.Name)
			if role.Kind == "Role" {
				d.Named = append(d.Named, Ref{Kind: role.Kind, Namespace: scope, Name: role.Name})
			} else if i == 0 { // is the same for all namespaces
				d.Named = append(d.Named, Ref{Kind: role.Kind, Name: role.Name})
			}
		}
	}
	return d
}

// Name is that of the objects which carry our own rules. Colons are allowed in RBAC names alone, so that nothing else
// that a user makes is called so by accident.
func Name(account types.NamespacedName) string {
	return "kubemint:" + account.Namespace + ":" + account.Name
}

// BindingName is that of the binding of an existing role.
func BindingName(account types.NamespacedName, roleKind, role string) string {
	return Name(account) + ":" + strings.ToLower(roleKind) + ":" + role
}

// NamedFor says whether an object has a name that we give a ServiceAccount and what we make for it.
func NamedFor(ref Ref, namespace, account string) bool {
	if ref.Kind == "ServiceAccount" {
		return ref.Namespace == namespace && ref.Name == account
	}
	name := Name(types.NamespacedName{Namespace: namespace, Name: account})
	rest, ok := strings.CutPrefix(ref.Name, name)
	return ok && (rest == "" || strings.HasPrefix(rest, ":role:") || strings.HasPrefix(rest, ":clusterrole:"))
}

// namespaces are all that the run touches, the ServiceAccount's among them.
func namespaces(declared config.Access) []string {
	if slices.Contains(declared.Namespaces, declared.ServiceAccount.Namespace) {
		return declared.Namespaces
	}
	return append([]string{declared.ServiceAccount.Namespace}, declared.Namespaces...)
}

func (d *Desired) add(o Object, kind, namespace, name string) {
	o.GetObjectKind().SetGroupVersionKind(Resources[kind].GroupVersion().WithKind(kind))
	o.SetNamespace(namespace)
	o.SetName(name)
	o.SetLabels(Labels(d.Access.ServiceAccount))
	marks := d.Marks
	if kind == "Namespace" { // it stays, whatever else was made in it
		marks.ExpiresAt = time.Time{}
	}
	o.SetAnnotations(marks.Annotations())
	d.Objects = append(d.Objects, o)
}

func (d *Desired) role(namespace, kind, name string) {
	if kind == "ClusterRole" {
		d.add(&rbacv1.ClusterRole{Rules: d.Access.Rules}, kind, "", name)
		return
	}
	d.add(&rbacv1.Role{Rules: d.Access.Rules}, kind, namespace, name)
}

func (d *Desired) bind(namespace, name, roleKind, role string) {
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: roleKind, Name: role}
	subjects := []rbacv1.Subject{{
		Kind: rbacv1.ServiceAccountKind, Namespace: d.Access.ServiceAccount.Namespace, Name: d.Access.ServiceAccount.Name,
	}}
	if namespace == "" {
		d.add(&rbacv1.ClusterRoleBinding{Subjects: subjects, RoleRef: ref}, "ClusterRoleBinding", "", name)
		return
	}
	d.add(&rbacv1.RoleBinding{Subjects: subjects, RoleRef: ref}, "RoleBinding", namespace, name)
}
