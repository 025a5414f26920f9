package discovery

import (
	"encoding/json"

	"github.com/kubemint/kubemint/internal/rules"
)

// Aggregated asks for the groups, versions and resources in one answer: v2 since Kubernetes 1.30,
// v2beta1 since 1.27. An API server that knows neither, or has them switched off, answers 406
// unless it may also answer as it always did.
const Aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList," +
	"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"

// Served is which resources an API server serves outside the core group, by its answer at /apis. It
// is empty where the API server knows no aggregated discovery.
func Served(body []byte) (served []rules.Served, err error) {
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
					Group: group.Metadata.Name, Resource: r.Resource, Singular: r.SingularResource,
					Kind: r.ResponseKind.Kind, Short: r.ShortNames,
				})
			}
		}
	}
	return served, nil
}
