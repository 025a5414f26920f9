package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/kube"
)

// Warm opens the connection before the first request, so that the first requests find it ready and
// share it. It is a request that is given up as soon as its connection is dialled, which net/http
// finishes for the next one: a request without a credential is answered too, but has the API server
// close an HTTP/2 connection (feature gate UnauthenticatedHTTP2DOSMitigation, on from 1.29). A
// failure does not matter: who needs the connection will tell.
func (c *Client) Warm(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx = httptrace.WithClientTrace(
		ctx, &httptrace.ClientTrace{ConnectStart: func(string, string) { cancel() }},
	)
	_ = c.groups[corev1.SchemeGroupVersion].Get().AbsPath("/version").MaxRetries(0).Do(ctx).Error()
}

// Get reads the object that o names into o.
func (c *Client) Get(ctx context.Context, o kube.Object) error {
	ref := kube.RefOf(o)
	defer setKind(o, ref.Kind) // client-go's decoder empties it
	return c.sendWithRetries(
		ctx, sendOnce, o,
		func() *rest.Request { return c.requestFor(ref, http.MethodGet).Name(ref.Name) },
	)
}

// List reads the objects of a kind into list; namespace "" is all. With resourceVersion "0" the API
// server answers from memory, maybe a moment old: a consistent list waits for etcd's next progress
// notice.
func (c *Client) List(
	ctx context.Context, kind, namespace string, options metav1.ListOptions, list runtime.Object,
) error {
	return c.sendWithRetries(ctx, sendOnce, list, func() *rest.Request {
		return c.requestFor(kube.Ref{Kind: kind, Namespace: namespace}, http.MethodGet).
			VersionedParams(&options, metav1.ParameterCodec)
	})
}

// Create makes o, or asks the review that o is, and reads the answer into o.
func (c *Client) Create(ctx context.Context, o kube.Object) error {
	ref := kube.RefOf(o)
	sent := o.DeepCopyObject()
	options := &metav1.CreateOptions{}
	if !strings.HasSuffix(ref.Kind, "Review") { // which makes nothing
		options.DryRun = c.dryRun
	}
	defer setKind(o, ref.Kind)
	return c.sendWithRetries(ctx, sendToTheEnd, o, func() *rest.Request {
		return c.requestFor(ref, http.MethodPost).VersionedParams(options, metav1.ParameterCodec).Body(sent)
	})
}

// noVersion is a resourceVersion that no object has: the API server ignores it if the object does
// not exist, and answers 409 if it does, even with the same content.
const noVersion = "1"

// Applied identifies the object as the API server stored it. It is zero after a dry run.
type Applied struct {
	UID             types.UID
	ResourceVersion string
}

// ApplyObject sends o by server-side apply, and does not change o. Without force it only creates:
// an object that exists already may be somebody else's, and is a conflict. With force it heals: it
// takes fields over from other field managers. If o has a resourceVersion, the API server compares
// it.
func (c *Client) ApplyObject(ctx context.Context, o kube.Object, force bool) (Applied, error) {
	sent := o
	if !force {
		sent = o.DeepCopyObject().(kube.Object) //nolint:errcheck,forcetypeassert // a copy has the same type
		sent.SetResourceVersion(noVersion)
	}
	answer := NewObject(kube.RefOf(o))
	if err := c.applyInto(ctx, sent, force, answer); err != nil || c.IsDry() {
		return Applied{}, err
	}
	return Applied{UID: answer.GetUID(), ResourceVersion: answer.GetResourceVersion()}, nil
}

// applyInto sends o by server-side apply, and reads the answer into applied.
func (c *Client) applyInto(ctx context.Context, o kube.Object, force bool, applied kube.Object) error {
	ref := kube.RefOf(o)
	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encode %s: %w", ref, err)
	}
	options := &metav1.PatchOptions{FieldManager: kube.FieldManager, Force: &force, DryRun: c.dryRun}
	return c.sendWithRetries(ctx, sendToTheEnd, applied, func() *rest.Request {
		return c.requestFor(ref, http.MethodPatch).Name(ref.Name).VersionedParams(options, metav1.ParameterCodec).
			SetHeader("Content-Type", string(types.ApplyYAMLPatchType)).Body(body)
	})
}

// Delete deletes the object that o names, if it still has o's UID (where o has one). What depends
// on the object goes with it, even where somebody has put the finalizer "orphan" on it. Where
// finalizers hold the object, it stays: they, and the time of its deletion, are set in o then.
func (c *Client) Delete(ctx context.Context, o kube.Object) error {
	ref := kube.RefOf(o)
	background := metav1.DeletePropagationBackground
	options := &metav1.DeleteOptions{DryRun: c.dryRun, PropagationPolicy: &background}
	if uid := o.GetUID(); uid != "" {
		options.Preconditions = &metav1.Preconditions{UID: &uid}
	}
	said := &anyAnswer{}
	err := c.sendWithRetries(
		ctx, sendOnce, said,
		func() *rest.Request { return c.requestFor(ref, http.MethodDelete).Name(ref.Name).Body(options) },
	)
	if err != nil || c.IsDry() {
		return err
	}
	o.SetDeletionTimestamp(nil)
	o.SetFinalizers(nil)
	if kept, ok := said.Object.(metav1.Object); ok && kept.GetDeletionTimestamp() != nil {
		o.SetDeletionTimestamp(kept.GetDeletionTimestamp())
		o.SetFinalizers(kept.GetFinalizers())
	}
	return nil
}

// Remove is [Client.Delete] for an object that has to be gone: it returns nil if the object was
// gone already, and a [HeldError] if finalizers hold it.
func (c *Client) Remove(ctx context.Context, o kube.Object) error {
	err := c.Delete(ctx, o)
	switch {
	case answer.IsMissing(err):
		return nil
	case err == nil && o.GetDeletionTimestamp() != nil && len(o.GetFinalizers()) > 0:
		return &HeldError{o.GetFinalizers()}
	}
	return err
}

// RequestToken asks for a token of the ServiceAccount and reads the answer into request.
func (c *Client) RequestToken(
	ctx context.Context, account types.NamespacedName, request *authenticationv1.TokenRequest,
) error {
	if c.IsDry() {
		return errors.New("no token is requested in a dry run")
	}
	sent := request.DeepCopy()
	ref := kube.Ref{Kind: "ServiceAccount", Namespace: account.Namespace}
	return c.sendWithRetries(ctx, sendToTheEnd, request, func() *rest.Request {
		return c.requestFor(ref, http.MethodPost).Name(account.Name).SubResource("token").Body(sent)
	})
}

func (c *Client) requestFor(ref kube.Ref, verb string) *rest.Request {
	r := kube.Resources[ref.Kind]
	return c.groups[r.GroupVersion()].Verb(verb).
		NamespaceIfScoped(ref.Namespace, ref.Namespace != "").
		Resource(r.Resource).
		MaxRetries(0)
}

// HeldError says that an object is still there after its deletion: finalizers hold it.
type HeldError struct{ finalizers []string }

func (e *HeldError) Error() string { return "finalizers hold it: " + strings.Join(e.finalizers, ", ") }
