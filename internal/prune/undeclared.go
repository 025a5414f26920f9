package prune

import (
	"context"
	"errors"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/discovery"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
)

// Pruning is what a prune works with.
type Pruning struct {
	Client  *cluster.Client
	Desired access.Desired
	Log     *console.Log
	Now     func() time.Time // the API server's clock
	DryRun  bool
}

// holdings are what is there of one account.
type holdings struct {
	account types.NamespacedName
	access  []access.Object // bindings and roles
	leases  []access.Object // of credentials by their names, and other Leases of ours
	self    access.Object   // the ServiceAccount; nil where there is none
}

// find reads what bears the marks of an account. All that may not be read is reported at once.
func (p *Pruning) find(ctx context.Context, account types.NamespacedName) (holdings, error) {
	found := holdings{account: account, self: cluster.Empty(access.Ref{
		Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name,
	})}
	kinds := []string{"RoleBinding", "Role", "ClusterRoleBinding", "ClusterRole", "Lease"}
	lists := make([][]access.Object, len(kinds))
	marks := access.Labels(account)
	err := parallel.Each(len(kinds)+1, func(i int) (err error) {
		if i == len(kinds) {
			err = p.Client.Get(ctx, found.self)
			if cluster.Missing(err) {
				found.self = nil
				return nil
			}
			return p.Client.Explain(problem.Mint, "read ServiceAccount "+account.String(), err)
		}
		namespace := ""
		if kinds[i] == "Lease" {
			namespace = account.Namespace
		}
		lists[i], err = p.Client.ListLabelled(ctx, kinds[i], namespace, marks)
		if kinds[i] == "Lease" && discovery.Unserved(err) {
			p.Log.Printf("note: %s: no credential here has a lease", err)
			return nil
		}
		return p.Client.Explain(problem.Mint, "list "+kinds[i]+"s", err)
	})
	found.leases = lists[4]
	found.access = slices.Concat(lists[:4]...)
	return found, err
}

// Undeclared deletes the access that the configuration does not declare, wherever it is, and the account
// that was there before the declared one.
func (p *Pruning) Undeclared(ctx context.Context) error {
	found, err := p.find(ctx, p.Desired.Access.ServiceAccount)
	if err != nil {
		return err
	}
	plan, refusals := access.Prune(p.Desired, found.access)
	p.sayLeft(plan.Warnings, refusals)
	objects := make([]access.Object, len(plan.Changes))
	for i, change := range plan.Changes {
		objects[i] = change.Delete
	}
	held := p.heldBack(found, objects, p.Desired.Hash())
	if held != nil && !p.DryRun {
		objects = nil
	}
	moved, movedErr := p.moved(ctx, found)
	// Bindings first: one without its role would grant again as soon as somebody makes a role of that name.
	bindings, others, _ := inStages(slices.Concat(objects, moved))
	count, err := p.deleteStage(ctx, bindings)
	n, othersErr := p.deleteStage(ctx, others)
	p.sayCount(console.Plural(count+n, "object"), " in all namespaces")
	return errors.Join(held, movedErr, err, othersErr)
}

// sayLeft says what stays, and why.
func (p *Pruning) sayLeft(warnings []string, refusals error) {
	for _, warning := range warnings {
		p.Log.Warnf("%s", warning)
	}
	var left []string
	for _, refusal := range problem.All(refusals) {
		left = append(left, refusal.Error())
	}
	p.Log.List("note: not done: ", left)
}

// heldBack is the error that names the live credentials which depend on the objects, nil where there is none. Those whose
// leases have the hash of the declared access do not.
func (p *Pruning) heldBack(found holdings, objects []access.Object, declared string) error {
	if len(objects) == 0 || p.Desired.Access.TakeOwnership {
		return nil
	}
	holding := access.Holding(found.leases, declared, p.Now())
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
