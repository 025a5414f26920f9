package sweep

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
)

// Sweeping has what a sweep needs.
type Sweeping struct {
	Client    *client.Client
	Log       *console.Log
	Now       func() time.Time // the API server's clock
	DryRun    bool
	Namespace string // "" is all of them
}

// SweepExpired deletes leases whose expiry has passed, the ephemeral identities of such runs, and
// Secrets whose lease is gone. A lease that is still current is not touched, whoever made it.
func (s *Sweeping) SweepExpired(ctx context.Context) error {
	// before the leases, so that the lease of each was there before
	secrets, secretsErr := s.listBound(ctx)
	expired, live, err := s.listExpired(ctx)
	if _, ok := client.FindUnrecognised(err); ok {
		return err
	}
	if err == nil {
		expired = append(expired, findOrphans(secrets, live)...)
	}
	return errors.Join(err, secretsErr, s.deleteAll(ctx, expired))
}

// deleteAll deletes the objects, if they are still the same, and says which. Bindings go first: one
// without its role would grant again as soon as somebody makes a role of that name.
func (s *Sweeping) deleteAll(ctx context.Context, objects []kube.Object) (err error) {
	deleted := make([]bool, len(objects))
	for _, bindings := range []bool{true, false} {
		err = errors.Join(err, parallel.Each(len(objects), func(i int) error {
			object := objects[i]
			if s.DryRun || kube.IsBinding(object) != bindings {
				return nil
			}
			err := s.Client.Remove(ctx, object)
			deleted[i] = err == nil
			return s.Client.Explain(problem.Revoke, "delete "+kube.RefOf(object).String(), err)
		}))
	}
	count := 0
	for i, object := range objects {
		if !deleted[i] && !s.DryRun {
			continue
		}
		count++
		s.Log.Printf("%-10s %s%s", access.Deleted, kube.RefOf(object), s.describeReason(object))
	}
	place := "in all namespaces"
	if s.Namespace != "" {
		place = "in namespace " + s.Namespace
	}
	if s.DryRun {
		s.Log.Printf("dry run: %s %s would be deleted", console.Plural(count, "object"), place)
	} else {
		s.Log.Printf("swept: %s deleted %s", console.Plural(count, "object"), place)
	}
	return err
}

// describeReason says why an object goes.
func (s *Sweeping) describeReason(object kube.Object) string {
	switch {
	case lease.IsExpired(object, s.Now()):
		return ", expired " + object.GetAnnotations()[kube.AnnotationExpiresAt]
	case kube.RefOf(object).Kind == "Secret":
		return ", whose lease is gone"
	}
	return ""
}

// listExpired lists what bears our marks and has expired, and the leases that have not.
// ServiceAccounts, Roles and bindings are looked for as well, since an ephemeral identity has them
// in other namespaces too, where no lease can own them. It warns of kinds that the runner may not
// list.
func (s *Sweeping) listExpired(ctx context.Context) (expired, live []kube.Object, err error) {
	kinds := []string{"Lease", "ServiceAccount", "RoleBinding", "Role"}
	if s.Namespace == "" {
		kinds = append(kinds, "ClusterRoleBinding", "ClusterRole")
	}
	lists := make([][]kube.Object, len(kinds))
	err = parallel.Each(len(kinds), func(i int) (err error) {
		lists[i], err = s.Client.ListLabelled(ctx, kinds[i], s.Namespace, kube.Managed)
		if kinds[i] != "Lease" && (answer.IsForbidden(err) || answer.PolicyDenied(err)) {
			s.Log.Printf(
				"note: %ss may not be listed by the runner's identity: ephemeral ones are not looked for",
				kinds[i],
			)
			return nil
		}
		if kinds[i] == "Lease" && discovery.Unserved(err) {
			s.Log.Printf("note: %s: no credential here has a lease", err)
			return nil
		}
		return s.Client.Explain(problem.Revoke, "list "+kinds[i]+"s", err)
	})
	// by the clock of the API server, which has answered
	over := func(o kube.Object) bool { return lease.IsExpired(o, s.Now()) }
	current := func(o kube.Object) bool { return !over(o) }
	return slices.DeleteFunc(slices.Concat(lists...), current), slices.DeleteFunc(lists[0], over), err
}

// listBound lists the Secrets that tokens are bound to, by their metadata. A right to list Secrets
// is a right to read them, so most identities that sweep do not have it, and need not: then it is
// said what is not looked for.
func (s *Sweeping) listBound(ctx context.Context) ([]*corev1.Secret, error) {
	secrets, err := s.Client.ListSecrets(ctx, s.Namespace, kube.Managed)
	if answer.IsForbidden(err) || answer.PolicyDenied(err) {
		s.Log.Printf(
			"note: Secrets may not be listed by the runner's identity: one that outlived its lease, " +
				"where the garbage collector did not delete it, is not looked for",
		)
		return nil, nil
	}
	return secrets, s.Client.Explain(problem.Revoke, "list Secrets", err)
}
