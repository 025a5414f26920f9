package cluster

import (
	"context"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/rules"
)

// aggregated asks for the groups, versions and resources in one answer: v2 since Kubernetes 1.30, v2beta1 since 1.27. An API
// server that knows neither, or has them switched off, answers 406 unless it may also answer as it always did.
const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList," +
	"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"

// Discover reads which resources the API server serves outside the core group. It is empty where the API server knows no
// aggregated discovery.
func (c *Client) Discover(ctx context.Context) (served []rules.Served, err error) {
	var body []byte
	read := func(ctx context.Context, _ runtime.Object, request *rest.Request) (err error) {
		body, err = request.Do(ctx).Raw()
		return err
	}
	err = c.tries(ctx, read, nil, func() *rest.Request {
		return c.groups[corev1.SchemeGroupVersion].Get().AbsPath("/apis").SetHeader("Accept", aggregated).MaxRetries(0)
	})
	if err != nil {
		return nil, err
	}
	var list struct { // k8s.io/api/apidiscovery/v2 APIGroupDiscoveryList
		Items []struct {
			Metadata struct{ Name string }
			Versions []struct {
				Resources []struct {
					Resource, SingularResource string
					ShortNames                 []string
					ResponseKind               struct{ Kind string }
				}
			}
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	for _, group := range list.Items {
		for _, version := range group.Versions {
			for _, r := range version.Resources {
				served = append(served, rules.Served{
					Group: group.Metadata.Name, Resource: r.Resource, Singular: r.SingularResource, Kind: r.ResponseKind.Kind, Short: r.ShortNames,
				})
			}
		}
	}
	return served, nil
}
