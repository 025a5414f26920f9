package rules

import (
	"reflect"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// Covers returns what want grants and have does not, merged as Format does; nil means that have covers want. It decides
// as the API server's escalation check does: a verb * is covered by a verb * alone, and every object (no names) by no list
// of names.
func Covers(have, want []rbacv1.PolicyRule) (missing []rbacv1.PolicyRule) {
	_, missing = validation.Covers(have, flatten(want))
	return flatten(missing)
}

// Equal reports whether both grant the same: each covers the other.
func Equal(a, b []rbacv1.PolicyRule) bool {
	// Most comparisons are of rules that were read back as they were written, in up to a thousand namespaces a run.
	return reflect.DeepEqual(a, b) || len(Covers(a, b)) == 0 && len(Covers(b, a)) == 0
}

// Diff returns what must be added to have and what must be removed from it to grant exactly want. Both are merged as
// Format does, and nil where there is nothing.
func Diff(have, want []rbacv1.PolicyRule) (added, removed []rbacv1.PolicyRule) {
	return Covers(have, want), Covers(want, have)
}

// NonResource reports whether any rule is for URLs, which only a ClusterRole can grant.
func NonResource(rs []rbacv1.PolicyRule) bool {
	return slices.ContainsFunc(rs, func(r rbacv1.PolicyRule) bool { return len(r.NonResourceURLs) > 0 })
}

// flatten is the compact form as rules.
func flatten(rs []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, l := range compact(rs) {
		all = append(all, l.rules()...)
	}
	return all
}
