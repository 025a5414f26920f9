package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
)

// prune deletes the access of this ServiceAccount that the configuration does not declare any more,
// wherever it is, and the account that was there before this one. With --all it deletes everything that
// kubemint made for the account. What is another owner's stays, and is named; what a live credential
// depends on holds it back, but for --all.
func (r *run) prune(ctx context.Context, given options) error {
	const op = "prune access"
	if r.cfg.Access.Ephemeral {
		return problem.Newf(problem.Config, op,
			"an ephemeral identity's access is deleted at revoke, and by kubemint sweep").
			Hint("leave `ephemeral` out to prune the access of `service_account`")
	}
	as, err := r.connectRunner(ctx)
	if err != nil {
		return err
	}
	defer as.client.Close()
	p := &pruning{
		run: r, client: as.client,
		desired: access.Desire(as.declared, r.marks()), dryRun: given.dryRun || r.cfg.Result.DryRun,
	}
	if given.all {
		return p.removeAll(ctx)
	}
	if !as.declared.Grants() {
		return problem.Newf(problem.Config, op,
			"neither `role` nor `rules` is given: that says nothing about access, and all would be deleted").
			Hint("give the `role` and `rules` that the pipeline has").
			Hint("or delete everything that kubemint made for %s with  kubemint prune --all",
				as.declared.ServiceAccount)
	}
	return p.removeUndeclared(ctx)
}

// pruning is prune in progress.
type pruning struct {
	*run
	client  *cluster.Client
	desired access.Desired
	dryRun  bool
}

// holdings are what is there of one account.
type holdings struct {
	account types.NamespacedName
	access  []access.Object // bindings and roles
	leases  []access.Object // of any credential, and the lock
	self    access.Object   // the ServiceAccount; nil where there is none
}

// find reads what bears the marks of an account. All that may not be read is reported at once.
func (p *pruning) find(ctx context.Context, account types.NamespacedName) (holdings, error) {
	found := holdings{account: account, self: cluster.Empty(access.Ref{
		Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name,
	})}
	kinds := []string{"RoleBinding", "Role", "ClusterRoleBinding", "ClusterRole", "Lease"}
	lists := make([][]access.Object, len(kinds))
	marks := access.Labels(account)
	err := parallel.Each(len(kinds)+1, func(i int) (err error) {
		if i == len(kinds) {
			err = p.client.Get(ctx, found.self)
			if cluster.Missing(err) {
				found.self = nil
				return nil
			}
			return p.client.Explain(problem.Mint, "read ServiceAccount "+account.String(), err)
		}
		namespace := ""
		if kinds[i] == "Lease" {
			namespace = account.Namespace
		}
		lists[i], err = p.client.ListLabelled(ctx, kinds[i], namespace, marks)
		return p.client.Explain(problem.Mint, "list "+kinds[i]+"s", err)
	})
	found.leases = lists[4]
	found.access = slices.Concat(lists[:4]...)
	return found, err
}

func (p *pruning) removeUndeclared(ctx context.Context) error {
	found, err := p.find(ctx, p.desired.Access.ServiceAccount)
	if err != nil {
		return err
	}
	plan, refusals := access.Prune(p.desired, found.access)
	for _, warning := range plan.Warnings {
		p.log.Warnf("%s", warning)
	}
	var left []string
	for _, refusal := range problem.All(refusals) {
		left = append(left, refusal.Error())
	}
	p.log.List("note: not done: ", left)
	objects := make([]access.Object, len(plan.Changes))
	for i, change := range plan.Changes {
		objects[i] = change.Delete
	}
	held := p.heldBack(found, objects)
	if held != nil && !p.dryRun {
		objects = nil
	}
	moved, movedErr := p.moved(ctx, found)
	err = p.deleteAll(ctx, p.client, deletion{
		phase: problem.Mint, done: "pruned", place: "in all namespaces", dryRun: p.dryRun,
	}, append(objects, moved...))
	return errors.Join(held, movedErr, err)
}

// heldBack is the error that names the live credentials which depend on the objects, nil where there is none.
func (p *pruning) heldBack(found holdings, objects []access.Object) error {
	if len(objects) == 0 || p.desired.Access.TakeOwnership {
		return nil
	}
	holding := access.Holding(found.leases, "", p.now())
	if len(holding) == 0 {
		return nil
	}
	e := problem.Newf(problem.Rights, "prune access of ServiceAccount "+found.account.String(),
		"%s may depend on it", console.Plural(len(holding), "live credential"))
	for _, lease := range holding {
		e.Detail(describeLease(lease))
	}
	return e.Hint("run it again when their jobs have ended").
		Hint("or end one with  kubectl -n %s delete lease NAME", found.account.Namespace).
		Hint("or set `take_ownership: true`, and they lose the access")
}

// describeLease says for a person until when a credential lives, and whose it is.
func describeLease(lease access.Object) string {
	marks := lease.GetAnnotations()
	text := access.RefOf(lease).String()
	if until := marks[access.AnnotationExpiresAt]; until != "" {
		text += ", live until " + problem.Shorten(until, 40)
	}
	if run := marks[access.AnnotationRun]; run != "" {
		text += ", of " + problem.Shorten(run, 200)
	}
	return text
}

// moved finds the account that was there before the declared one, and returns what there is of it to
// delete. One of another name may be a second account of the same job, so that it is only named.
func (p *pruning) moved(ctx context.Context, found holdings) (objects []access.Object, err error) {
	job := p.desired.Marks.Job
	if found.self != nil && access.SameOwner(p.desired.Marks, found.self) {
		job = found.self.GetAnnotations()[access.AnnotationJob] // prune may be a job of its own
	}
	bindings, err := p.listManagedBindings(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, account := range access.Moved(p.desired, job, bindings) {
		if account.Name != found.account.Name {
			p.log.Warnf("%s", leftBehind(account, found.account))
			continue
		}
		before, err := p.find(ctx, account)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		own, err := p.ownOf(before)
		held := p.heldBack(before, own)
		if held == nil || p.dryRun {
			objects = append(objects, own...)
		}
		errs = append(errs, err, held)
	}
	return objects, errors.Join(errs...)
}

// ownOf are an account's access and, if it is all this owner's, the account itself.
func (p *pruning) ownOf(before holdings) ([]access.Object, error) {
	of := p.desired
	of.Access.ServiceAccount = before.account
	own, warnings, left := access.Removable(of, before.access)
	for _, warning := range warnings {
		p.log.Warnf("%s", warning)
	}
	if left == nil && before.self != nil && access.Managed(before.self, before.account) {
		var self []access.Object
		self, _, left = access.Removable(of, []access.Object{before.self})
		own = append(own, self...)
	}
	return own, left
}

func (p *pruning) listManagedBindings(ctx context.Context) ([]access.Object, error) {
	kinds := []string{"RoleBinding", "ClusterRoleBinding"}
	lists := make([][]access.Object, len(kinds))
	err := parallel.Each(len(kinds), func(i int) (err error) {
		lists[i], err = p.client.ListLabelled(ctx, kinds[i], "", managed)
		return p.client.Explain(problem.Mint, "list "+kinds[i]+"s", err)
	})
	return slices.Concat(lists...), err
}

// managed is the label of everything that kubemint made.
var managed = map[string]string{access.LabelManagedBy: access.ManagedBy}

// leftBehind is the warning of an account whose place the declared one may have taken.
func leftBehind(account, declared types.NamespacedName) string {
	return fmt.Sprintf("ServiceAccount %s has access that this job declared earlier: "+
		"if %s has taken its place, delete it with  KUBEMINT_SERVICE_ACCOUNT=%s kubemint prune --all",
		account, declared, account)
}
