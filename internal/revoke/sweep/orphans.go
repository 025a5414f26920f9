package sweep

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
)

// findOrphans are the Secrets that no live lease owns: a token that is bound to one outlives its
// revocation, or its lease's expiry, where no garbage collector deletes the Secret.
func findOrphans(secrets []*corev1.Secret, live []kube.Object) (all []kube.Object) {
	there := map[kube.Ref]bool{}
	for _, lease := range live {
		there[kube.RefOf(lease)] = true
	}
	for _, secret := range secrets {
		its := kube.Ref{Kind: "Lease", Namespace: secret.Namespace, Name: secret.Name}
		if lease.BoundByName(secret) && !there[its] {
			all = append(all, secret)
		}
	}
	return all
}
