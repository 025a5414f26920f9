package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// target is what a verb acts on: a resource of an API group, subresource included, or a URL.
type target struct{ group, resource, url string }

// path makes a target of a URL. * is all of them, and so is /*, which has a notation.
func path(url string) target {
	if url == "*" {
		url = "/*"
	}
	return target{url: url}
}

// line is one line of shorthand. Its targets are all URLs, or all resources. No names means every object.
type line struct {
	verbs   []string
	targets []target
	names   []string
}

// rules are the line as the API wants it: one rule an API group, groups in the order of their first target.
func (l line) rules() []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, t := range l.targets {
		var groups []string // none for URLs
		if t.url == "" {
			groups = []string{t.group}
		}
		i := slices.IndexFunc(all, func(r rbacv1.PolicyRule) bool { return slices.Equal(r.APIGroups, groups) })
		if i < 0 {
			i = len(all)
			all = append(all, rbacv1.PolicyRule{Verbs: l.verbs, APIGroups: groups, ResourceNames: l.names})
		}
		if t.url == "" {
			all[i].Resources = append(all[i].Resources, t.resource)
		} else {
			all[i].NonResourceURLs = append(all[i].NonResourceURLs, t.url)
		}
	}
	return all
}

// onlyAudience says whether the line's resources are audiences of tokens, which can be any words.
func (l line) onlyAudience() bool { return slices.Equal(l.verbs, []string{audienceVerb}) }

// atoms are rules broken down: lines of one verb, one target, and one name or none.
func atoms(rs []rbacv1.PolicyRule) []line {
	var lines []line
	for _, r := range rs {
		for _, atom := range validation.BreakdownRule(r) {
			l := line{verbs: atom.Verbs, names: atom.ResourceNames}
			if len(atom.NonResourceURLs) > 0 {
				l.targets = []target{path(atom.NonResourceURLs[0])}
			} else {
				l.targets = []target{{group: atom.APIGroups[0], resource: atom.Resources[0]}}
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// compact merges atoms into few lines, sorted: what has the same verbs and names shares a line.
func compact(lines []line) []line {
	return merge(accesses(lines), func(l line) any { return [3]any{l.targets[0].url == "", key(l.verbs), key(l.names)} })
}

// accesses merges atoms into lines of one target each, sorted: first the verbs for the same target and name, then the
// names that have the same verbs.
func accesses(lines []line) []line {
	lines = merge(lines, func(l line) any { return [2]any{l.targets[0], key(l.names)} })
	return merge(lines, func(l line) any { return [3]any{l.targets[0], key(l.verbs), l.names == nil} })
}

// merge joins the lines that have the same key, and sorts them and what they are made of.
func merge(lines []line, same func(line) any) []line {
	merged := map[any]line{}
	for _, l := range lines {
		into := merged[same(l)]
		merged[same(l)] = line{append(into.verbs, l.verbs...), append(into.targets, l.targets...), append(into.names, l.names...)}
	}
	all := slices.Collect(maps.Values(merged))
	for i, l := range all {
		if slices.Contains(l.verbs, "*") {
			l.verbs = []string{"*"}
		}
		all[i] = line{sorted(l.verbs, compareVerbs), sorted(l.targets, compareTargets), sorted(l.names, strings.Compare)}
	}
	slices.SortFunc(all, func(a, b line) int {
		return cmp.Or(slices.CompareFunc(a.targets, b.targets, compareTargets),
			slices.Compare(a.names, b.names), slices.CompareFunc(a.verbs, b.verbs, compareVerbs))
	})
	return all
}

// sorted sorts in place and leaves out what is there twice.
func sorted[T comparable](items []T, compare func(a, b T) int) []T {
	slices.SortFunc(items, compare)
	return slices.Compact(items)
}

// key is a list as a map's key.
func key(words []string) string { return fmt.Sprintf("%q", words) }

// compareTargets puts the core group first and URLs last.
func compareTargets(a, b target) int {
	return cmp.Or(cmp.Compare(a.url, b.url), cmp.Compare(a.group, b.group), cmp.Compare(a.resource, b.resource))
}

// compareVerbs puts what is not known first, then the others in their customary order, then *.
func compareVerbs(a, b string) int {
	known := slices.Concat(resourceVerbs, urlVerbs, []string{"*"})
	return cmp.Or(cmp.Compare(slices.Index(known, a), slices.Index(known, b)), cmp.Compare(a, b))
}
