package rules

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// Covers returns what want grants and have does not, merged as Format does; nil means that have
// covers want. It decides as the API server's escalation check does: a verb * is covered by a verb
// * alone, and every object (no names) by no list of names.
func Covers(have, want []rbacv1.PolicyRule) (missing []rbacv1.PolicyRule) {
	// Rules that are granted word for word, as usual in each of a thousand namespaces, are not
	// broken down.
	want = slices.DeleteFunc(slices.Clone(want), func(w rbacv1.PolicyRule) bool {
		return slices.ContainsFunc(have, func(h rbacv1.PolicyRule) bool { return isIdentical(h, w) })
	})
	if len(want) == 0 {
		return nil
	}
	same := func(l Line) any { return [3]any{l.Targets[0], l.Verbs[0], listKey(l.Names)} }
	held := map[any]bool{}
	for _, l := range breakDown(have) {
		held[same(l)] = true
	}
	// what is granted in the same words needs no comparison with every rule
	var rest []rbacv1.PolicyRule
	for _, l := range breakDown(want) {
		if !held[same(l)] {
			rest = append(rest, l.Rules()...)
		}
	}
	_, missing = validation.Covers(have, rest)
	return compactRules(missing)
}

func isIdentical(a, b rbacv1.PolicyRule) bool {
	return slices.Equal(a.Verbs, b.Verbs) && slices.Equal(a.Resources, b.Resources) &&
		slices.Equal(a.APIGroups, b.APIGroups) &&
		slices.Equal(a.ResourceNames, b.ResourceNames) &&
		slices.Equal(a.NonResourceURLs, b.NonResourceURLs)
}

// Equal reports whether both grant the same: each covers the other.
func Equal(a, b []rbacv1.PolicyRule) bool { return len(Covers(a, b)) == 0 && len(Covers(b, a)) == 0 }

// Overlap returns what both grant, merged as Format does; nil means nothing. Two words overlap
// where a request can match both, as the API server matches them
// (pkg/apis/rbac/v1/evaluation_helpers.go of Kubernetes: VerbMatches, APIGroupMatches,
// ResourceMatches, ResourceNameMatches, NonResourceURLMatches).
func Overlap(have, forbidden []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var both []rbacv1.PolicyRule
	for _, a := range have {
		for _, b := range forbidden {
			r := rbacv1.PolicyRule{
				Verbs:           meetWords(a.Verbs, b.Verbs, coversWord),
				APIGroups:       meetWords(a.APIGroups, b.APIGroups, coversWord),
				Resources:       meetWords(a.Resources, b.Resources, coversWord),
				NonResourceURLs: meetWords(a.NonResourceURLs, b.NonResourceURLs, coversURL),
				ResourceNames:   meetWords(a.ResourceNames, b.ResourceNames, equalNames),
			}
			if len(a.ResourceNames) == 0 || len(b.ResourceNames) == 0 { // every object
				r.ResourceNames = slices.Concat(a.ResourceNames, b.ResourceNames)
			} else if len(r.ResourceNames) == 0 {
				r.Resources = nil
			}
			both = append(both, r)
		}
	}
	return compactRules(both)
}

// meetWords returns, of each pair of words that overlap, the narrower one.
func meetWords(a, b []string, wider func(a, b string) bool) (both []string) {
	for _, a := range a {
		for _, b := range b {
			if wider(a, b) {
				both = append(both, b)
			} else if wider(b, a) {
				both = append(both, a)
			}
		}
	}
	return both
}

// names; "" is that of a request without a name.
func equalNames(a, b string) bool { return a == b }

// coversWord compares verbs, groups and resources: */scale is the subresource of all, and *
// includes subresources.
func coversWord(a, b string) bool {
	_, sub, slash := strings.Cut(b, "/")
	return a == "*" || a == b || (slash && a == "*/"+sub)
}

func coversURL(a, b string) bool {
	return a == b || (strings.HasSuffix(a, "*") && strings.HasPrefix(b, strings.TrimRight(a, "*")))
}

// InNamespace leaves out what no RoleBinding grants, whatever its ClusterRole says: rules for URLs.
func InNamespace(rs []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	return slices.DeleteFunc(
		slices.Clone(rs), func(r rbacv1.PolicyRule) bool { return len(r.NonResourceURLs) > 0 },
	)
}

// compactRules is the compact form as rules.
func compactRules(rs []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, l := range compactLines(breakDown(rs)) {
		all = append(all, l.Rules()...)
	}
	return all
}
