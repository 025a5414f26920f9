package prune

import "github.com/kubemint/kubemint/internal/kube"

// inStages divides objects by the order in which they go.
func inStages(objects []kube.Object) (bindings, roles, leases []kube.Object) {
	for _, object := range objects {
		switch {
		case kube.RefOf(object).Kind == "Lease":
			leases = append(leases, object)
		case kube.IsBinding(object):
			bindings = append(bindings, object)
		default:
			roles = append(roles, object)
		}
	}
	return bindings, roles, leases
}
