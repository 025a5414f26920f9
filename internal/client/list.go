package client

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kubemint/kubemint/internal/kube"
)

// page is how many objects of a list one answer may hold.
const page = 500

// ListLabelled reads all objects of a kind that bear the labels, as of now and page by page.
// Namespace "" is all.
func (c *Client) ListLabelled(
	ctx context.Context, kind, namespace string, labels map[string]string,
) ([]kube.Object, error) {
	return c.listLabelled(ctx, kind, namespace, labels, false)
}

// ListRecent is [Client.ListLabelled] from the API server's memory: it does not wait for etcd, and
// may be a moment old.
func (c *Client) ListRecent(
	ctx context.Context, kind, namespace string, labels map[string]string,
) ([]kube.Object, error) {
	return c.listLabelled(ctx, kind, namespace, labels, true)
}

// TokenSecrets reads the ServiceAccount token Secrets of a namespace.
func (c *Client) TokenSecrets(ctx context.Context, namespace string) ([]corev1.Secret, error) {
	options := metav1.ListOptions{FieldSelector: "type=" + string(corev1.SecretTypeServiceAccountToken)}
	secrets := &corev1.SecretList{}
	err := c.List(ctx, "Secret", namespace, options, secrets)
	return secrets.Items, err
}

// listLabelled reads objects that bear the labels: as of now and page by page, or from the API
// server's memory, which has no pages.
func (c *Client) listLabelled(
	ctx context.Context, kind, namespace string, labels map[string]string, cached bool,
) ([]kube.Object, error) {
	options := metav1.ListOptions{LabelSelector: k8slabels.Set(labels).String(), Limit: page}
	if cached {
		options.ResourceVersion = "0"
		options.Limit = 0
	}
	return c.listAll(ctx, kind, namespace, options)
}

// listAll reads objects that know their kind: the API server leaves it out of the items of a list.
func (c *Client) listAll(
	ctx context.Context, kind, namespace string, options metav1.ListOptions,
) (all []kube.Object, err error) {
	for {
		//nolint:errcheck,forcetypeassert // a copy has the same type
		read := kinds[kind].list.DeepCopyObject().(list)
		if err := c.List(ctx, kind, namespace, options, read); err != nil {
			return nil, err
		}
		err := meta.EachListItem(read, func(item runtime.Object) error {
			object := item.(kube.Object) //nolint:errcheck,forcetypeassert // as all of this table are
			setKind(object, kind)
			all = append(all, object)
			return nil
		})
		if options.Continue = read.GetContinue(); err != nil || options.Continue == "" {
			return all, err
		}
	}
}
