package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/rules"
)

// Discover reads which resources the API server serves outside the core group. It is empty where
// the API server knows no aggregated discovery.
func (c *Client) Discover(ctx context.Context) ([]rules.Served, error) {
	body, err := c.readPath(ctx, "/apis", discovery.Aggregated)
	if err != nil {
		return nil, err
	}
	return discovery.Served(body)
}

// ReadRoot reads /api, which an API server shows to everyone who has logged in. An error is one of
// [Client.Get]'s.
func (c *Client) ReadRoot(ctx context.Context) error {
	body, err := c.readPath(ctx, "/api", discovery.Plain)
	if err == nil && !discovery.ListsAPI(body) {
		return &answer.ForeignError{Code: http.StatusOK}
	}
	return err
}

// MayHideRole says whether a ClusterRole may exist although it is not found: see
// [discovery.MayHide].
func (c *Client) MayHideRole(ctx context.Context, name string) bool {
	return discovery.MayHide(ctx, c.readPath, name)
}

func (c *Client) readPath(ctx context.Context, path, accept string) (body []byte, err error) {
	read := func(ctx context.Context, _ runtime.Object, request *rest.Request) error {
		ctx, cancel := context.WithTimeout(ctx, longestAnswer)
		defer cancel()
		// client-go logs cut answers to stderr
		result := request.Do(klog.NewContext(ctx, logr.Discard()))
		body, _ = result.Raw()
		if bytes.Count(body, []byte{','}) > mostValues {
			body = nil
			return &wire.TooLargeError{Bound: fmt.Sprintf("%d values", mostValues)}
		}
		return asForeign(result, result.Error())
	}
	return body, c.sendWithRetries(ctx, read, nil, func() *rest.Request {
		return c.groups[corev1.SchemeGroupVersion].Get().
			AbsPath(path).
			SetHeader("Accept", accept).
			MaxRetries(0)
	})
}

// tellUnserved finds out whether an answer that is not one of the API means that the API server
// does not serve what was asked for, or that something else answered.
func (c *Client) tellUnserved(ctx context.Context, request *rest.Request, err error) error {
	if answer.IsUnsure(err) || !mayBeUnserved(err) {
		return err
	}
	for version, group := range c.groups {
		rest, ok := strings.CutPrefix(request.URL().Path, group.Get().URL().Path+"/")
		asked := version.WithResource(discovery.ResourceIn(rest))
		if ok && discovery.Absent(ctx, c.readPath, asked) {
			return &discovery.UnservedError{GroupVersionResource: asked}
		}
	}
	if _, page := errors.AsType[*answer.ForeignError](err); !page {
		// an API server names the object that it does not find
		return &answer.ForeignError{Code: http.StatusNotFound}
	}
	return err
}

// mayBeUnserved says whether an answer can be that of an API server to a path that it does not
// serve: a page, whether it says 200 or 404, or, where it serves something else of the group, a 404
// that names no object.
func mayBeUnserved(err error) bool {
	if page, ok := errors.AsType[*answer.ForeignError](err); ok {
		return page.Code == http.StatusOK || page.Code == http.StatusNotFound
	}
	status, _ := answer.StatusOf(err)
	return apierrors.IsNotFound(err) && status.Details.Kind == "" && status.Details.Name == ""
}
