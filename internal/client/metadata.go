package client

import (
	"context"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/kube"
)

// The content of a Secret is never read when only its metadata is asked for: the API server leaves
// it out.
const (
	metadataOfOne  = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	metadataOfMany = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// GetMetadata reads the metadata of the Secret that o names into o.
func (c *Client) GetMetadata(ctx context.Context, o *corev1.Secret) error {
	read := &metav1.PartialObjectMetadata{}
	ref := kube.RefOf(o)
	err := c.sendWithRetries(ctx, sendOnce, read, func() *rest.Request {
		return c.requestFor(ref, http.MethodGet).Name(ref.Name).SetHeader("Accept", metadataOfOne)
	})
	if err == nil {
		o.ObjectMeta = read.ObjectMeta
	}
	return err
}

// ListSecrets reads the metadata of all Secrets that bear the labels, page by page. Namespace "" is
// all.
func (c *Client) ListSecrets(
	ctx context.Context, namespace string, labels map[string]string,
) (all []*corev1.Secret, err error) {
	options := metav1.ListOptions{LabelSelector: k8slabels.Set(labels).String(), Limit: page}
	for {
		read := &metav1.PartialObjectMetadataList{}
		err := c.sendWithRetries(ctx, sendOnce, read, func() *rest.Request {
			return c.requestFor(kube.Ref{Kind: "Secret", Namespace: namespace}, http.MethodGet).
				VersionedParams(&options, metav1.ParameterCodec).SetHeader("Accept", metadataOfMany)
		})
		if err != nil {
			return nil, err
		}
		for _, item := range read.Items {
			all = append(
				all, &corev1.Secret{TypeMeta: kube.TypeMeta("Secret"), ObjectMeta: item.ObjectMeta},
			)
		}
		if options.Continue = read.Continue; options.Continue == "" {
			return all, nil
		}
	}
}
