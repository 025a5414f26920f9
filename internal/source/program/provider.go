package program

import "slices"

// removedProviders are the auth-providers that client-go had until Kubernetes 1.26, with the way to
// a kubeconfig that works today.
var removedProviders = map[string][]string{
	"gcp": {
		"write the kubeconfig again: `gcloud container clusters get-credentials NAME " +
			"--location PLACE`",
		"google-github-actions/get-gke-credentials: leave `use_auth_provider` out",
	},
	"azure": {
		"convert it in an earlier step: `kubelogin convert-kubeconfig -l workloadidentity`",
		"or write it again: `az aks get-credentials`",
	},
}

// RemovedProvider returns the way around an auth-provider that client-go no longer has, nil for any
// other name.
func RemovedProvider(name string) []string { return slices.Clone(removedProviders[name]) }
