package client

import (
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubemint/kubemint/internal/kube"
)

// list is any of the API's list types.
type list interface {
	runtime.Object
	metav1.ListInterface
}

// kinds are the objects that are read by name, empty, and the lists of those that are looked for by
// label.
var kinds = map[string]struct {
	object kube.Object
	list   list
}{
	"Lease":              {&coordinationv1.Lease{}, &coordinationv1.LeaseList{}},
	"Secret":             {&corev1.Secret{}, nil},
	"Namespace":          {&corev1.Namespace{}, nil},
	"ServiceAccount":     {&corev1.ServiceAccount{}, &corev1.ServiceAccountList{}},
	"Role":               {&rbacv1.Role{}, &rbacv1.RoleList{}},
	"RoleBinding":        {&rbacv1.RoleBinding{}, &rbacv1.RoleBindingList{}},
	"ClusterRole":        {&rbacv1.ClusterRole{}, &rbacv1.ClusterRoleList{}},
	"ClusterRoleBinding": {&rbacv1.ClusterRoleBinding{}, &rbacv1.ClusterRoleBindingList{}},
}

// NewObject returns an object of the kind and name that ref gives, to be read into; nil for a kind
// that is not read.
func NewObject(ref kube.Ref) kube.Object {
	kind, ok := kinds[ref.Kind]
	if !ok {
		return nil
	}
	o := kind.object.DeepCopyObject().(kube.Object) //nolint:errcheck,forcetypeassert // a copy has the same type
	o.SetNamespace(ref.Namespace)
	o.SetName(ref.Name)
	setKind(o, ref.Kind)
	return o
}

func setKind(o kube.Object, kind string) {
	o.GetObjectKind().SetGroupVersionKind(kube.Resources[kind].GroupVersion().WithKind(kind))
}
