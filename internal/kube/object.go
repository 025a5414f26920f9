package kube

import (
	"crypto/sha256"
	"encoding/hex"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// FieldManager is the name under which the API server records what we apply.
const FieldManager = "kubemint"

// The marks on everything that we make; package owner has those that say on whose behalf. The label
// prefix is deliberately no domain name: nobody can take it away.
const (
	LabelManagedBy      = "app.kubernetes.io/managed-by"
	LabelServiceAccount = "kubemint/service-account"
	AnnotationExpiresAt = "kubemint/expires-at" // RFC 3339
	AnnotationAccess    = "kubemint/access"     // of a lease and of the lock: see [access.Desired.Hash]
	ManagedBy           = "kubemint"
)

// Resources maps each kind that we handle to its resource: k8s.io/kubernetes/pkg/controlplane names
// them, and they do not change within v1.
var Resources = map[string]schema.GroupVersionResource{
	"Namespace":          corev1.SchemeGroupVersion.WithResource("namespaces"),
	"ServiceAccount":     corev1.SchemeGroupVersion.WithResource("serviceaccounts"),
	"Secret":             corev1.SchemeGroupVersion.WithResource("secrets"),
	"Role":               rbacv1.SchemeGroupVersion.WithResource("roles"),
	"RoleBinding":        rbacv1.SchemeGroupVersion.WithResource("rolebindings"),
	"ClusterRole":        rbacv1.SchemeGroupVersion.WithResource("clusterroles"),
	"ClusterRoleBinding": rbacv1.SchemeGroupVersion.WithResource("clusterrolebindings"),
	"Lease":              coordinationv1.SchemeGroupVersion.WithResource("leases"),
	"SelfSubjectReview":  authenticationv1.SchemeGroupVersion.WithResource("selfsubjectreviews"),
	"SelfSubjectRulesReview": authorizationv1.SchemeGroupVersion.WithResource(
		"selfsubjectrulesreviews",
	),
	"SelfSubjectAccessReview": authorizationv1.SchemeGroupVersion.WithResource(
		"selfsubjectaccessreviews",
	),
}

// TypeMeta returns the type of an object of a kind that we handle.
func TypeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: Resources[kind].GroupVersion().String(), Kind: kind}
}

// Object is an API object of a kind that we handle.
type Object interface {
	metav1.Object
	runtime.Object
}

// Ref names one object. Namespace is empty for a cluster-scoped one.
type Ref struct{ Kind, Namespace, Name string }

// RefOf names an object. Its TypeMeta has to be filled in.
func RefOf(o Object) Ref {
	return Ref{
		Kind: o.GetObjectKind().GroupVersionKind().Kind, Namespace: o.GetNamespace(),
		Name: o.GetName(),
	}
}

// String is the form of the change set: "Role shop/deployer", "ClusterRole edit".
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// Managed is the label of everything that kubemint makes.
var Managed = map[string]string{LabelManagedBy: ManagedBy}

// LabelsFor are ours on everything made for a ServiceAccount, a lease included: what it is found
// by.
func LabelsFor(serviceAccount types.NamespacedName) map[string]string {
	return map[string]string{LabelManagedBy: ManagedBy, LabelServiceAccount: labelValue(serviceAccount)}
}

// labelValue is unambiguous, since a namespace's name has no dot. A longer one than a label may
// hold is hashed.
func labelValue(serviceAccount types.NamespacedName) string {
	value := serviceAccount.Namespace + "." + serviceAccount.Name
	if len(value) <= validation.LabelValueMaxLength {
		return value
	}
	sum := sha256.Sum256([]byte(value))
	return "sha256-" + hex.EncodeToString(sum[:])[:validation.LabelValueMaxLength-len("sha256-")]
}

// IsManaged says whether an object bears our marks for this ServiceAccount.
func IsManaged(o Object, serviceAccount types.NamespacedName) bool {
	for key, value := range LabelsFor(serviceAccount) {
		if o.GetLabels()[key] != value {
			return false
		}
	}
	return true
}

// RulesOf returns the rules of a Role or ClusterRole, nil for another kind.
func RulesOf(o Object) []rbacv1.PolicyRule {
	switch role := o.(type) {
	case *rbacv1.Role:
		return role.Rules
	case *rbacv1.ClusterRole:
		return role.Rules
	}
	return nil
}

// IsBinding says whether an object is a RoleBinding or ClusterRoleBinding, which needs its role to
// be there before it.
func IsBinding(o Object) bool {
	_, _, ok := BindingOf(o)
	return ok
}

// RoleOf names the role of a binding; it is the zero Ref for another kind.
func RoleOf(o Object) Ref {
	_, role, _ := BindingOf(o)
	if role.Kind == "Role" {
		return Ref{Kind: role.Kind, Namespace: o.GetNamespace(), Name: role.Name}
	}
	return Ref{Kind: role.Kind, Name: role.Name}
}

// BindingOf returns what a RoleBinding or ClusterRoleBinding binds; false for another kind.
func BindingOf(o Object) ([]rbacv1.Subject, rbacv1.RoleRef, bool) {
	switch b := o.(type) {
	case *rbacv1.RoleBinding:
		return b.Subjects, b.RoleRef, true
	case *rbacv1.ClusterRoleBinding:
		return b.Subjects, b.RoleRef, true
	}
	return nil, rbacv1.RoleRef{}, false
}
