package kubetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Client makes plain requests as one identity: to prepare a test, and to assert what that identity may not do.
type Client struct {
	config *rest.Config
	http   *http.Client
}

// NewClient reads the credential of a kubeconfig's current context.
func NewClient(kubeconfig []byte) (*Client, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, err
	}
	return newClient(config)
}

func newClient(config *rest.Config) (*Client, error) {
	client, err := rest.HTTPClientFor(config)
	return &Client{config: config, http: client}, err
}

// Do sends in as JSON, where it is not nil, and decodes the answer into out, where that is not nil. path is the URL's
// path and query: "/api/v1/namespaces/default/pods". What the API server refuses is an *apierrors.StatusError, so that
// a test asserts the reason with apierrors.IsForbidden and its like.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.config.Host, "/")+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest {
		status := metav1.Status{}
		if err := json.Unmarshal(answer, &status); err != nil || status.Kind != "Status" {
			return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
		}
		return &apierrors.StatusError{ErrStatus: status}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}
