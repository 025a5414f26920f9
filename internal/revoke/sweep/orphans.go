package sweep

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/problem"
)

// listBound lists the Secrets that tokens are bound to, by their metadata. A right to list Secrets
// is a right to read them, so most identities that sweep do not have it, and need not: then it is
// said what is not looked for.
func (s *Sweeping) listBound(ctx context.Context) ([]*corev1.Secret, error) {
	secrets, err := s.Client.ListSecrets(ctx, s.Namespace, managed)
	if client.IsForbidden(err) || client.PolicyDenied(err) {
		s.Log.Printf(
			"note: Secrets may not be listed by the runner's identity: one that outlived its lease, " +
				"where the garbage collector did not delete it, is not looked for",
		)
		return nil, nil
	}
	return secrets, s.Client.Explain(problem.Revoke, "list Secrets", err)
}

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
