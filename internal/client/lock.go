package client

import (
	"context"
	"net/http"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/kube"
)

// Replace writes a Lease if the one on the server still has the same resourceVersion. A Lease
// without a resourceVersion is written only if it does not exist yet. It reads the answer into
// lease, so that the next Replace compares with the version that this one made.
func (c *Client) Replace(ctx context.Context, lease *coordinationv1.Lease) error {
	ref := kube.RefOf(lease)
	sent := lease.DeepCopy()
	answer := &coordinationv1.Lease{}
	sent.ManagedFields = nil
	if sent.ResourceVersion == "" {
		sent.ResourceVersion = noVersion
	}
	err := c.applyInto(ctx, sent, true, answer)
	if err == nil && !c.IsDry() {
		*lease = *answer
		setKind(lease, ref.Kind)
	}
	return err
}

// DeleteSame deletes a Lease if the one on the server still has the same resourceVersion.
func (c *Client) DeleteSame(ctx context.Context, lease *coordinationv1.Lease) error {
	options := &metav1.DeleteOptions{DryRun: c.dryRun, Preconditions: &metav1.Preconditions{
		UID: &lease.UID, ResourceVersion: &lease.ResourceVersion,
	}}
	return c.sendWithRetries(ctx, sendOnce, &anyAnswer{}, func() *rest.Request {
		return c.requestFor(kube.RefOf(lease), http.MethodDelete).Name(lease.Name).Body(options)
	})
}

// ListSince reads the objects of a kind that bear the labels, as they were at a resourceVersion of
// that same kind or later. The API server answers from memory as soon as it knows that version: a
// consistent list would wait for etcd to say that nothing newer exists.
func (c *Client) ListSince(
	ctx context.Context, kind, namespace string, labels map[string]string, version string,
) ([]kube.Object, error) {
	return c.listAll(ctx, kind, namespace, metav1.ListOptions{
		LabelSelector: k8slabels.Set(labels).String(), ResourceVersion: version,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
}
