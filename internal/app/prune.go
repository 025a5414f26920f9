package app

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
)

// prune deletes the access of this ServiceAccount that the configuration does not declare any more, wherever it is. What
// is another owner's or another job's stays, and is named.
func (r *run) prune(ctx context.Context, dryRun bool) error {
	const op = "prune access"
	if r.cfg.Access.Ephemeral {
		return problem.Newf(problem.Config, op, "an ephemeral identity's access is deleted at revoke, and by kubemint sweep").
			Hint("leave `ephemeral` out to prune the access of `service_account`")
	}
	as, err := r.connectRunner(ctx)
	if err != nil {
		return err
	}
	client, declared := as.client, as.declared
	defer client.Close()
	marks := access.Labels(declared.ServiceAccount)
	if !declared.Grants() {
		return problem.Newf(problem.Config, op, "neither `role` nor `rules` is given: that says nothing about access, and all would be deleted").
			Hint("give the `role` and `rules` that the pipeline has").
			Hint("or delete all access of %s with  kubectl delete rolebinding,role,clusterrolebinding,clusterrole -A -l %s",
				declared.ServiceAccount, labels.FormatLabels(marks))
	}
	kinds := []string{"RoleBinding", "Role", "ClusterRoleBinding", "ClusterRole"}
	lists := make([][]access.Object, len(kinds))
	if err := parallel.Each(len(kinds), func(i int) (err error) {
		lists[i], err = client.ListLabelled(ctx, kinds[i], "", marks)
		return client.Explain(problem.Mint, "list "+kinds[i]+"s", err)
	}); err != nil {
		return err
	}
	desired := access.Desire(declared, r.platform.Marks())
	plan, refusals := access.Prune(desired, slices.Concat(lists...))
	for _, warning := range plan.Warnings {
		r.log.Warnf("%s", warning)
	}
	var left []string
	for _, refusal := range problem.All(refusals) {
		left = append(left, refusal.Error())
	}
	r.log.List("note: not done: ", left)
	objects := make([]access.Object, len(plan.Changes))
	for i, change := range plan.Changes {
		objects[i] = change.Delete
	}
	d := deletion{phase: problem.Mint, done: "pruned", place: "in all namespaces", dryRun: dryRun || r.cfg.Result.DryRun}
	remove := func(ctx context.Context) error { return r.deleteAll(ctx, client, d, objects) }
	if len(objects) == 0 || d.dryRun {
		return remove(ctx)
	}
	return r.newGate(client, desired).change(ctx, remove)
}
