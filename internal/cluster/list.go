package cluster

import (
	"context"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubemint/kubemint/internal/access"
)

// page is how many objects of a list one answer may hold.
const page = 500

// ListLabelled reads all objects of a kind that bear the labels, as of now and page by page. Namespace "" is all.
func (c *Client) ListLabelled(ctx context.Context, kind, namespace string, labels map[string]string) ([]access.Object, error) {
	return c.list(ctx, kind, namespace, labels, false)
}

// TokenSecrets reads the ServiceAccount token Secrets of a namespace.
func (c *Client) TokenSecrets(ctx context.Context, namespace string) ([]corev1.Secret, error) {
	options := metav1.ListOptions{FieldSelector: "type=" + string(corev1.SecretTypeServiceAccountToken)}
	secrets := &corev1.SecretList{}
	err := c.List(ctx, "Secret", namespace, options, secrets)
	return secrets.Items, err
}

// list reads objects that know their kind: the API server leaves it out of the items of a list.
func (c *Client) list(
	ctx context.Context, kind, namespace string, labels map[string]string, cached bool,
) (all []access.Object, err error) {
	options := metav1.ListOptions{LabelSelector: k8slabels.Set(labels).String(), Limit: page}
	if cached {
		options.ResourceVersion, options.Limit = "0", 0 // the API server's memory has no pages
	}
	for {
		list, items := listOf(kind)
		if err := c.List(ctx, kind, namespace, options, list); err != nil {
			return nil, err
		}
		all = append(all, items()...)
		if options.Continue = list.GetContinue(); options.Continue == "" {
			break
		}
	}
	for _, item := range all {
		setKind(item, kind)
	}
	return all, nil
}

// list is any of the API's list types.
type list interface {
	runtime.Object
	metav1.ListInterface
}

// listOf returns an empty list of a kind, and how to take the items out once it is read.
func listOf(kind string) (list, func() []access.Object) {
	switch kind {
	case "Lease":
		l := &coordinationv1.LeaseList{}
		return l, func() []access.Object { return pointers(l.Items) }
	case "ServiceAccount":
		l := &corev1.ServiceAccountList{}
		return l, func() []access.Object { return pointers(l.Items) }
	case "Role":
		l := &rbacv1.RoleList{}
		return l, func() []access.Object { return pointers(l.Items) }
	case "RoleBinding":
		l := &rbacv1.RoleBindingList{}
		return l, func() []access.Object { return pointers(l.Items) }
	case "ClusterRole":
		l := &rbacv1.ClusterRoleList{}
		return l, func() []access.Object { return pointers(l.Items) }
	}
	l := &rbacv1.ClusterRoleBindingList{}
	return l, func() []access.Object { return pointers(l.Items) }
}

func pointers[T any, P interface {
	*T
	access.Object
}](items []T) []access.Object {
	objects := make([]access.Object, len(items))
	for i := range items {
		objects[i] = P(&items[i])
	}
	return objects
}

// Empty returns an object of the kind and name that ref gives, to be read into.
func Empty(ref access.Ref) access.Object {
	var o access.Object
	switch ref.Kind {
	case "Lease":
		o = &coordinationv1.Lease{}
	case "Secret":
		o = &corev1.Secret{}
	case "Namespace":
		o = &corev1.Namespace{}
	case "ServiceAccount":
		o = &corev1.ServiceAccount{}
	case "Role":
		o = &rbacv1.Role{}
	case "RoleBinding":
		o = &rbacv1.RoleBinding{}
	case "ClusterRole":
		o = &rbacv1.ClusterRole{}
	case "ClusterRoleBinding":
		o = &rbacv1.ClusterRoleBinding{}
	default:
		return nil
	}
	o.SetNamespace(ref.Namespace)
	o.SetName(ref.Name)
	setKind(o, ref.Kind)
	return o
}

func setKind(o access.Object, kind string) {
	o.GetObjectKind().SetGroupVersionKind(access.Resources[kind].GroupVersion().WithKind(kind))
}
