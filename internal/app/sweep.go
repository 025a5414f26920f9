package app

import (
	"context"
	"errors"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/token"
)

// sweepOptions are the flags of `kubemint sweep`.
type sweepOptions struct {
	dryRun        bool
	allNamespaces bool
}

// sweep deletes what jobs left that were killed before they could revoke: leases whose expiry has passed, and the
// ephemeral identities of such runs. It reads Leases and never a Secret. A lease that is still current is not touched,
// whoever made it.
func (r *run) sweep(ctx context.Context, options sweepOptions) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Result.Timeout)
	defer cancel()
	source, err := r.loadSource(r.cfg.Source.Kubeconfig, r.cfg.Source.Context, r.getenv)
	if err != nil {
		return err
	}
	client, err := r.connect(source.REST)
	if err != nil {
		return err
	}
	defer client.Close()
	namespace := r.cfg.Access.In(source.Namespace).ServiceAccount.Namespace
	if options.allNamespaces {
		namespace = ""
	}
	expired, err := r.expired(ctx, client, namespace)
	deleted := make([]bool, len(expired))
	deleteErr := cluster.Each(len(expired), func(i int) error {
		object := expired[i]
		if options.dryRun {
			return nil
		}
		if err := client.Delete(ctx, object); err != nil && !cluster.Missing(err) {
			return client.Explain(problem.Revoke, "delete "+access.RefOf(object).String(), err)
		}
		deleted[i] = true
		return nil
	})
	count := 0
	for i, object := range expired {
		if deleted[i] || options.dryRun {
			count++
			r.log.printf("%-10s %s, expired %s", access.Deleted, access.RefOf(object), object.GetAnnotations()[access.AnnotationExpiresAt])
		}
	}
	place := "in namespace " + namespace
	if namespace == "" {
		place = "in all namespaces"
	}
	if options.dryRun {
		r.log.printf("dry run: %s %s would be deleted", plural(count, "object"), place)
	} else {
		r.log.printf("swept: %s deleted %s", plural(count, "object"), place)
	}
	return errors.Join(err, deleteErr)
}

// expired lists what bears our marks and has expired. ServiceAccounts, Roles and bindings are looked for as well, since
// an ephemeral identity has them in other namespaces too, where no lease can own them; what may not be listed is said.
func (r *run) expired(ctx context.Context, client *cluster.Client, namespace string) ([]access.Object, error) {
	kinds := []string{"Lease", "ServiceAccount", "RoleBinding", "Role"}
	if namespace == "" {
		kinds = append(kinds, "ClusterRoleBinding", "ClusterRole")
	}
	lists := make([][]access.Object, len(kinds))
	err := cluster.Each(len(kinds), func(i int) (err error) {
		lists[i], err = client.ListManaged(ctx, kinds[i], namespace)
		if kinds[i] != "Lease" && cluster.Forbidden(err) {
			r.log.printf("note: %ss may not be listed by the runner's identity: ephemeral ones are not looked for", kinds[i])
			return nil
		}
		return client.Explain(problem.Revoke, "list "+kinds[i]+"s", err)
	})
	var all []access.Object
	now := time.Now()
	for _, list := range lists {
		for _, object := range list {
			if token.Expired(object, now) {
				all = append(all, object)
			}
		}
	}
	return all, err
}
