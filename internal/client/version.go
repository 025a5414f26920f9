package client

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"
)

// ServerVersion asks the API server for its version, once. Anyone may, unless the cluster forbids
// anonymous requests.
func (c *Client) ServerVersion(ctx context.Context) (*version.Version, error) {
	answer, err := c.groups[corev1.SchemeGroupVersion].Get().AbsPath("/version").MaxRetries(0).Do(ctx).Raw()
	if err != nil {
		return nil, err
	}
	var said struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return nil, fmt.Errorf("the answer is not one of an API server: %w", err)
	}
	return version.ParseGeneric(said.GitVersion)
}
