package access

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access/naming"
	"github.com/kubemint/kubemint/internal/access/reach"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// ours finds the fields that we declare in the JSON of managedFields (FieldsV1: "f:" and the
// field's name).
var ours = regexp.MustCompile(
	`"f:(rules|subjects|roleRef|aggregationRule|automountServiceAccountToken)"`,
)

// refuseForeign returns an error if this owner may not change the object.
func (d Desired) refuseForeign(have kube.Object, verb string) error {
	if d.Access.TakeOwnership {
		return nil
	}
	var cause string
	switch {
	case !kube.IsManaged(have, d.Access.ServiceAccount):
		cause = "it exists and was not made by kubemint"
	case !owner.Same(d.Marks, have):
		cause = d.Marks.ExplainForeign(have)
	default:
		return nil
	}
	return problem.Newf(problem.Rights, verb+" "+kube.RefOf(have).String(), "%s", cause).
		Hint("name another `service_account` for this pipeline (recommended)").
		Hint("or set `take_ownership: true` to take the object over")
}

// refuseDefault refuses grants to the ServiceAccount that every pod of its namespace runs as by
// default.
func (d Desired) refuseDefault() error {
	account := d.Access.ServiceAccount
	if account.Name != "default" || !d.Access.Grants() || d.Access.TakeOwnership {
		return nil
	}
	return problem.Newf(
		problem.Rights, "grant to ServiceAccount "+account.String(),
		"every pod of namespace %s that names no other ServiceAccount would gain the access",
		account.Namespace,
	).
		Hint("name another `service_account` (recommended)").
		Hint("or set `take_ownership: true`")
}

// refuseContradiction refuses declared access that grants what must_not forbids, before any of it
// is granted. It names what grants it, as the API server would for the credential.
func (d Desired) refuseContradiction(observed Observed) error {
	account := d.Access.ServiceAccount
	var lines []string
	seen := map[kube.Ref]bool{} // the same role in many namespaces is named once
	for _, o := range d.Objects {
		role := kube.RoleOf(o)
		grants := d.Access.Place(o.GetNamespace()).Rules
		if named := observed.Named[role]; named != nil {
			grants = kube.RulesOf(named)
		} else if role.Name != naming.ObjectName(account) {
			continue
		}
		once := kube.Ref{Kind: kube.RefOf(o).Kind + role.Kind, Name: role.Name}
		if broken := d.formatForbidden(o.GetNamespace(), grants); len(broken) > 0 && !seen[once] {
			seen[once] = true
			lines = append(
				append(lines, broken...), fmt.Sprintf("    by %s of %s", kube.RefOf(o), role),
			)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return problem.Newf(
		problem.Mint, "prove must_not", "what is declared would allow what must_not forbids",
	).
		Detail(lines...).
		Hint("take it out of `rules`, name another `role`, or take it out of `must_not`")
}

// formatForbidden returns the granted rules of a place that must_not forbids, as lines.
func (d Desired) formatForbidden(place string, granted []rbacv1.PolicyRule) []string {
	if place == "" {
		return rules.Format(rules.Overlap(granted, d.Access.AllMustNot()))
	}
	return rules.Format(rules.Overlap(rules.InNamespace(granted), d.Access.MustNot))
}

// listWarnings tell of consequences that a reviewer would ask about.
func (d Desired) listWarnings(observed Observed) []string {
	account := d.Access.ServiceAccount
	access := d.Access
	if !access.Grants() {
		return []string{
			fmt.Sprintf(
				"neither `rules` nor `role` is set (an empty value counts as unset): no access is declared, "+
					"and the credential can do whatever ServiceAccount %s can do already, from earlier runs or "+
					"from others: "+
					"set one of them, or see whether the variable behind it is set",
				account,
			),
		}
	}
	warnings := append(
		rules.ListCaveats(access.Namespaced.Rules, true),
		rules.ListCaveats(access.Cluster.Rules, false)...)
	have := observed.Objects[kube.Ref{
		Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name,
	}]
	if have != nil && !kube.IsManaged(have, account) {
		warnings = append(warnings, fmt.Sprintf(
			"ServiceAccount %s was not made by kubemint: whatever else runs as it gains the declared access too",
			account,
		))
	}
	reach := reachBeyond(access)
	if reach == "" {
		return warnings
	}
	return append(warnings, fmt.Sprintf(
		"anyone allowed to create pods in namespace %s can act as ServiceAccount %s, whose rights reach "+
			"%s: keep other workloads out of that namespace",
		account.Namespace,
		account,
		reach,
	))
}

// reachBeyond says where rights reach beyond the ServiceAccount's own namespace, "" where they do
// not.
func reachBeyond(declared config.Access) string {
	const named = 3 // namespaces
	beyond := slices.DeleteFunc(slices.Clone(declared.Namespaces), func(namespace string) bool {
		return namespace == declared.ServiceAccount.Namespace
	})
	switch {
	case !declared.Cluster.Empty():
		return reach.WholeCluster
	case len(beyond) > named:
		return fmt.Sprintf("%d other namespaces", len(beyond))
	}
	return strings.Join(beyond, ", ")
}
