package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/kubemint/kubemint/internal/rules/names"
)

// Target is the object of a verb: a resource of an API group, subresource included, or a URL.
type Target struct{ Group, Resource, URL string }

// URLTarget makes a target of a URL. * is all of them, and so is /*, which has a notation.
func URLTarget(url string) Target {
	if url == "*" {
		url = "/*"
	}
	return Target{URL: url}
}

// Line is one line of shorthand. Its targets are all URLs, or all resources. No names means every
// object.
type Line struct {
	Verbs   []string
	Targets []Target
	Names   []string
}

// Rules are the line as the API wants it: one rule an API group, groups in the order of their first
// target.
func (l Line) Rules() []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, t := range l.Targets {
		var groups []string // none for URLs
		if t.URL == "" {
			groups = []string{t.Group}
		}
		i := slices.IndexFunc(
			all, func(r rbacv1.PolicyRule) bool { return slices.Equal(r.APIGroups, groups) },
		)
		if i < 0 {
			i = len(all)
			all = append(
				all, rbacv1.PolicyRule{Verbs: l.Verbs, APIGroups: groups, ResourceNames: l.Names},
			)
		}
		if t.URL == "" {
			all[i].Resources = append(all[i].Resources, t.Resource)
		} else {
			all[i].NonResourceURLs = append(all[i].NonResourceURLs, t.URL)
		}
	}
	return all
}

// IsAudience says whether the line's resources are audiences of tokens, which can be any words.
func (l Line) IsAudience() bool { return slices.Equal(l.Verbs, []string{names.AudienceVerb}) }

// breakDown are rules broken down: lines of one verb, one target, and one name or none.
func breakDown(rs []rbacv1.PolicyRule) []Line {
	var lines []Line
	for _, r := range rs {
		for _, atom := range validation.BreakdownRule(r) {
			l := Line{Verbs: atom.Verbs, Names: atom.ResourceNames}
			if len(atom.NonResourceURLs) > 0 {
				l.Targets = []Target{URLTarget(atom.NonResourceURLs[0])}
			} else {
				l.Targets = []Target{{Group: atom.APIGroups[0], Resource: atom.Resources[0]}}
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// compactLines merges atoms into few lines, sorted: what has the same verbs and names shares a
// line.
func compactLines(lines []Line) []Line {
	return mergeLines(
		groupByTarget(lines),
		func(l Line) any { return [3]any{l.Targets[0].URL == "", listKey(l.Verbs), listKey(l.Names)} },
	)
}

// groupByTarget merges atoms into lines of one target each, sorted: first the verbs for the same
// target and name, then the names that have the same verbs.
func groupByTarget(lines []Line) []Line {
	lines = mergeLines(lines, func(l Line) any { return [2]any{l.Targets[0], listKey(l.Names)} })
	return mergeLines(
		lines, func(l Line) any { return [3]any{l.Targets[0], listKey(l.Verbs), l.Names == nil} },
	)
}

// mergeLines joins the lines that have the same key, and sorts them and what they are made of.
func mergeLines(lines []Line, same func(Line) any) []Line {
	merged := map[any]Line{}
	for _, l := range lines {
		into := merged[same(l)]
		merged[same(l)] = Line{
			append(into.Verbs, l.Verbs...), append(into.Targets, l.Targets...),
			append(into.Names, l.Names...),
		}
	}
	all := slices.Collect(maps.Values(merged))
	for i, l := range all {
		if slices.Contains(l.Verbs, "*") {
			l.Verbs = []string{"*"}
		}
		all[i] = Line{
			sortUnique(l.Verbs, compareVerbs), sortUnique(l.Targets, compareTargets),
			sortUnique(l.Names, strings.Compare),
		}
	}
	slices.SortFunc(all, func(a, b Line) int {
		return cmp.Or(slices.CompareFunc(a.Targets, b.Targets, compareTargets),
			slices.Compare(a.Names, b.Names), slices.CompareFunc(a.Verbs, b.Verbs, compareVerbs))
	})
	return all
}

// sortUnique sorts in place and leaves out what is there twice.
func sortUnique[T comparable](items []T, compare func(a, b T) int) []T {
	slices.SortFunc(items, compare)
	return slices.Compact(items)
}

// listKey is a list as a map's key.
func listKey(words []string) string { return fmt.Sprintf("%q", words) }

// compareTargets puts the core group first and URLs last.
func compareTargets(a, b Target) int {
	return cmp.Or(
		cmp.Compare(a.URL, b.URL), cmp.Compare(a.Group, b.Group),
		cmp.Compare(a.Resource, b.Resource),
	)
}

// compareVerbs puts what is not known first, then the others in their customary order, then *.
func compareVerbs(a, b string) int {
	known := slices.Concat(names.ResourceVerbs, names.URLVerbs, []string{"*"})
	return cmp.Or(cmp.Compare(slices.Index(known, a), slices.Index(known, b)), cmp.Compare(a, b))
}
