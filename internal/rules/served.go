package rules

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules/names"
)

// Served is a resource that a cluster has, as its discovery tells it.
type Served struct {
	Group, Resource, Singular, Kind string
	Short                           []string
}

// FindUnserved compares the resources that are not built in with those of the cluster. It is a
// fault where one that the cluster has was obviously meant. note names the others, since later
// steps may install them; it is "" if there are no others.
func FindUnserved(rs []rbacv1.PolicyRule, served []Served) (faults []error, note string) {
	seen := map[string]bool{}
	var all, missing []string
	for _, s := range served {
		all = append(all, s.String())
		seen[s.String()] = true
	}
	for _, l := range groupByTarget(breakDown(rs)) {
		t := l.Targets[0]
		t.Resource, _, _ = strings.Cut(t.Resource, "/")
		word := t.String()
		wide := t.URL != "" || t.Group == "*" || t.Resource == "*"
		if seen[word] || wide || t.builtIn() || l.IsAudience() {
			continue
		}
		seen[word] = true
		if i := slices.IndexFunc(served, func(s Served) bool { return s.isMeant(t) }); i >= 0 {
			faults = append(
				faults,
				fmt.Errorf("unknown resource %s: did you mean %q?", names.QuoteWord(word), all[i]),
			)
			continue
		}
		text := names.QuoteWord(word)
		if near := names.NearestWord(word, all); near != "" {
			text += fmt.Sprintf(" (the nearest is %q)", near)
		}
		missing = append(missing, text)
	}
	return faults, unservedNote(missing)
}

// unservedNote is one line, however many resources a chart of custom ones names.
func unservedNote(missing []string) string {
	const most = 12
	more := ""
	if len(missing) > most {
		more = fmt.Sprintf(" and %d more", len(missing)-most)
		missing = missing[:most]
	}
	switch len(missing) {
	case 0:
		return ""
	case 1:
		return "the cluster does not serve " + missing[0] + " yet; the rule has no effect until it does"
	}
	return "the cluster does not serve " + strings.Join(missing, ", ") + more +
		" yet; these rules have no effect until it does"
}

// builtIn says whether the resource (without subresource) and the group are both built in. They
// need not belong together: products of groups and resources in YAML name what is never served. Nor
// are signers served, in any group: controllers ask whether somebody may approve for them.
func (t Target) builtIn() bool {
	ours := names.Builtin[t.Group] != nil && names.IsKnown(t.Resource)
	return ours || t.Group == "extensions" || t.Resource == "signers"
}

// String is the resource as the shorthand writes it.
func (s Served) String() string { return Target{Group: s.Group, Resource: s.Resource}.String() }

// isMeant reports whether the target's word is another one for the resource, or one edit away.
func (s Served) isMeant(t Target) bool {
	if s.Group != t.Group {
		return s.Resource == t.Resource && problem.EditDistance(s.Group, t.Group) == 1
	}
	return strings.EqualFold(s.Singular, t.Resource) || strings.EqualFold(s.Kind, t.Resource) ||
		slices.Contains(s.Short, t.Resource) || problem.EditDistance(s.Resource, t.Resource) == 1
}
