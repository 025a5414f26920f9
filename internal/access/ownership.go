package access

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// ours finds the fields that we declare in the JSON of managedFields (FieldsV1: "f:" and the field's name).
var ours = regexp.MustCompile(`"f:(rules|subjects|roleRef|aggregationRule|automountServiceAccountToken)"`)

// NotOurs is why an object is not this owner's to change, as the cause of an error.
type NotOurs string

func (n NotOurs) Error() string { return string(n) }

// refuse returns an error where the object is not this owner's to change. removes says whether the change would take
// rights away, which another job of the same owner may have declared.
func (d Desired) refuse(have Object, verb string, removes bool) error {
	if d.Access.TakeOwnership {
		return nil
	}
	op := verb + " " + RefOf(have).String()
	job := have.GetAnnotations()[AnnotationJob]
	var cause string
	switch {
	case !Managed(have, d.Access.ServiceAccount):
		cause = "it exists and was not made by kubemint"
	case verb == "apply" && d.abandoned(have):
		return nil
	case !SameOwner(d.Marks, have):
		cause = d.Marks.foreign(have)
	case removes && job != d.Marks.Job:
		cause = fmt.Sprintf("it holds rules that job %s declared and job %s does not", nameless(job), nameless(d.Marks.Job))
	default:
		return nil
	}
	return problem.New(problem.Rights, op, NotOurs(cause)).
		Hint("name another `service_account` for this pipeline: usually the better way out").
		Hint("or set `take_ownership: true` to take the object over")
}

// abandoned says whether a role is left of another owner's run that was refused the ServiceAccount, for which it had made the
// role already: the account is this owner's, and nothing that was seen binds the role. What may not be listed is not seen, so
// that such a role may be taken over, where its binding was read by name, and is never deleted.
func (d Desired) abandoned(have Object) bool {
	role, account := RefOf(have), d.Access.ServiceAccount
	held := d.observed.Objects[Ref{Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name}]
	if held == nil || !Managed(held, account) || !SameOwner(d.Marks, held) || !strings.HasSuffix(role.Kind, "Role") ||
		!Managed(have, account) || SameOwner(d.Marks, have) {
		return false
	}
	binds := func(o Object) bool { return RoleOf(o) == role }
	return !slices.ContainsFunc(slices.Collect(maps.Values(d.observed.Objects)), binds) && !slices.ContainsFunc(d.observed.Leftovers, binds)
}

func nameless(name string) string { return cmp.Or(name, "nobody in particular") }

// refuseDefault refuses grants to the ServiceAccount that every pod of its namespace runs as unless told otherwise.
func (d Desired) refuseDefault() error {
	account := d.Access.ServiceAccount
	if account.Name != "default" || !d.Access.Grants() || d.Access.TakeOwnership {
		return nil
	}
	return problem.Newf(problem.Rights, "grant to ServiceAccount "+account.String(),
		"every pod of namespace %s that names no other ServiceAccount would gain the access", account.Namespace).
		Hint("name another `service_account`: usually the better way out").
		Hint("or set `take_ownership: true`")
}

// contradiction refuses declared access that holds what must not be, before any of it is granted. It says by what, as the
// API server would of the credential.
func (d Desired) contradiction(observed Observed) error {
	account := d.Access.ServiceAccount
	var lines []string
	seen := map[Ref]bool{} // the same role in many namespaces is named once
	for _, o := range d.Objects {
		role := RoleOf(o)
		grants := d.Access.Place(o.GetNamespace()).Rules
		if named := observed.Named[role]; named != nil {
			grants = Rules(named)
		} else if role.Name != Name(account) {
			continue
		}
		once := Ref{Kind: RefOf(o).Kind + role.Kind, Name: role.Name}
		if broken := d.forbidden(o.GetNamespace(), grants); len(broken) > 0 && !seen[once] {
			seen[once] = true
			lines = append(append(lines, broken...), fmt.Sprintf("    by %s of %s", RefOf(o), role))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return problem.Newf(problem.Mint, "prove must_not", "what is declared would allow what must_not forbids").Detail(lines...).
		Hint("take it out of `rules`, name another `role`, or take it out of `must_not`")
}

// forbidden are the lines of what must_not forbids, of what is granted in a place.
func (d Desired) forbidden(place string, granted []rbacv1.PolicyRule) []string {
	if place == "" {
		return rules.Format(rules.Overlap(granted, d.Access.AllMustNot()))
	}
	return rules.Format(rules.Overlap(rules.InNamespace(granted), d.Access.MustNot))
}

// warnings tell of consequences that a reviewer would ask about.
func (d Desired) warnings(observed Observed) []string {
	account, access := d.Access.ServiceAccount, d.Access
	if !access.Grants() {
		return []string{fmt.Sprintf("neither `rules` nor `role` is set (an empty value counts as unset): no access is declared, "+
			"and the credential can do whatever ServiceAccount %s can do already, from earlier runs or from others: "+
			"set one of them, or see whether the variable behind it is set", account)}
	}
	warnings := append(rules.Caveats(access.Namespaced.Rules, true), rules.Caveats(access.Cluster.Rules, false)...)
	have := observed.Objects[Ref{Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name}]
	if have != nil && !Managed(have, account) {
		warnings = append(warnings, fmt.Sprintf(
			"ServiceAccount %s was not made by kubemint: whatever else runs as it gains the declared access too", account))
	}
	beyond := slices.DeleteFunc(slices.Clone(access.Namespaces), func(namespace string) bool { return namespace == account.Namespace })
	var reach string
	switch {
	case !access.Cluster.Empty():
		reach = WholeCluster
	case len(beyond) > 3:
		reach = fmt.Sprintf("%d other namespaces", len(beyond))
	case len(beyond) > 0:
		reach = strings.Join(beyond, ", ")
	default:
		return warnings
	}
	return append(warnings, fmt.Sprintf(
		"whoever may create pods in namespace %s can be ServiceAccount %s, whose rights reach %s: keep other workloads out of that namespace",
		account.Namespace, account, reach))
}
