package app

import (
	"context"
	"errors"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source"
	"github.com/kubemint/kubemint/internal/token"
)

// sweep deletes what jobs left that were killed before they could revoke: leases whose expiry has passed, the ephemeral
// identities of such runs, and Secrets whose lease is gone; of Secrets it reads metadata alone, where it may. A lease that is
// still current is not touched, whoever made it, unless a killed exec has left its directory on this machine.
func (r *run) sweep(ctx context.Context, given options) error {
	as, err := r.connectRunner(ctx)
	if err != nil {
		return err
	}
	client, declared := as.client, as.declared
	defer client.Close()
	left := leftover{r, client, as.from}
	leftErr := left.removeAll(ctx, given.dryRun || r.cfg.Result.DryRun)
	namespace := declared.ServiceAccount.Namespace
	place := "in namespace " + namespace
	if given.allNamespaces {
		namespace, place = "", "in all namespaces"
	}
	secrets, secretsErr := r.listBound(ctx, client, namespace) // before the leases, so that the lease of each was there before
	expired, live, err := r.expired(ctx, client, namespace)
	if nobody, ok := cluster.Unrecognised(err); ok { // then nothing was found, and nothing can be deleted
		nobody.Code = problem.Source
		return errors.Join(leftErr, nobody)
	}
	if err == nil {
		expired = append(expired, orphans(secrets, live)...)
	}
	how := deletion{phase: problem.Revoke, done: "swept", place: place, dryRun: given.dryRun}
	return errors.Join(leftErr, err, secretsErr, r.deleteAll(ctx, client, how, expired))
}

// runner is a connection as the runner, and what the inputs declare.
type runner struct {
	client   *cluster.Client
	from     *source.Source
	declared config.Access
}

// connectRunner connects as the runner.
func (r *run) connectRunner(ctx context.Context) (*runner, error) {
	from, err := r.loadSource(r.declaredSource())
	if err != nil {
		return nil, err
	}
	r.reportSource(from)
	declared, err := r.declaredAt(from)
	if err != nil {
		return nil, err
	}
	client, err := r.openExpected(ctx, from)
	return &runner{client, from, declared}, err
}

// deletion is what sweep and prune differ in.
type deletion struct {
	phase       problem.Code
	done, place string
	dryRun      bool
}

// deleteAll deletes the objects, if they are still the same, and says which. Bindings go first: one without its role
// would grant again as soon as somebody makes a role of that name.
func (r *run) deleteAll(ctx context.Context, client *cluster.Client, d deletion, objects []access.Object) (err error) {
	d.dryRun = d.dryRun || r.cfg.Result.DryRun
	deleted := make([]bool, len(objects))
	for _, bindings := range []bool{true, false} {
		err = errors.Join(err, parallel.Each(len(objects), func(i int) error {
			object := objects[i]
			if d.dryRun || access.IsBinding(object) != bindings {
				return nil
			}
			err := client.Remove(ctx, object)
			deleted[i] = err == nil
			return client.Explain(d.phase, "delete "+access.RefOf(object).String(), err)
		}))
	}
	count := 0
	for i, object := range objects {
		if !deleted[i] && !d.dryRun {
			continue
		}
		count++
		expiry := ""
		if token.Expired(object, r.now()) {
			expiry = ", expired " + object.GetAnnotations()[access.AnnotationExpiresAt]
		} else if access.RefOf(object).Kind == "Secret" {
			expiry = ", whose lease is gone"
		}
		r.log.Printf("%-10s %s%s", access.Deleted, access.RefOf(object), expiry)
	}
	if d.dryRun {
		r.log.Printf("dry run: %s %s would be deleted", console.Plural(count, "object"), d.place)
	} else {
		r.log.Printf("%s: %s deleted %s", d.done, console.Plural(count, "object"), d.place)
	}
	return err
}

// expired lists what bears our marks and has expired, and the leases that have not. ServiceAccounts, Roles and bindings
// are looked for as well, since an ephemeral identity has them in other namespaces too, where no lease can own them; what
// may not be listed is said.
func (r *run) expired(ctx context.Context, client *cluster.Client, namespace string) (expired, live []access.Object, err error) {
	kinds := []string{"Lease", "ServiceAccount", "RoleBinding", "Role"}
	if namespace == "" {
		kinds = append(kinds, "ClusterRoleBinding", "ClusterRole")
	}
	lists := make([][]access.Object, len(kinds))
	err = parallel.Each(len(kinds), func(i int) (err error) {
		lists[i], err = client.ListLabelled(ctx, kinds[i], namespace, managed())
		if kinds[i] != "Lease" && cluster.Forbidden(err) {
			r.log.Printf("note: %ss may not be listed by the runner's identity: ephemeral ones are not looked for", kinds[i])
			return nil
		}
		return client.Explain(problem.Revoke, "list "+kinds[i]+"s", err)
	})
	over := func(o access.Object) bool { return token.Expired(o, r.now()) } // by the clock of the API server, which has answered
	current := func(o access.Object) bool { return !over(o) }
	return slices.DeleteFunc(slices.Concat(lists...), current), slices.DeleteFunc(lists[0], over), err
}

func managed() map[string]string { return map[string]string{access.LabelManagedBy: access.ManagedBy} }
