package rules

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/problem"
)

// Served is a resource that a cluster has, as its discovery tells it.
type Served struct {
	Group, Resource, Singular, Kind string
	Short                           []string
}

// Unserved compares the resources that are not built in with those of the cluster. It is a fault where one that the cluster
// has was obviously meant, and a note where not, since what comes after may install it.
func Unserved(rs []rbacv1.PolicyRule, served []Served) (faults []error, notes []string) {
	seen := map[string]bool{}
	var all []string
	for _, s := range served {
		all = append(all, s.String())
		seen[s.String()] = true
	}
	for _, l := range accesses(atoms(rs)) {
		t := l.targets[0]
		t.resource, _, _ = strings.Cut(t.resource, "/")
		word := t.String()
		// A built-in resource in a built-in group that does not have it (YAML: groups × resources) is never served.
		ours := (builtin[t.group] != nil || t.group == "extensions") && known(t.resource)
		if seen[word] || ours || t.url != "" || t.group == "*" || t.resource == "*" {
			continue
		}
		seen[word] = true
		if i := slices.IndexFunc(served, func(s Served) bool { return s.meant(t) }); i >= 0 {
			faults = append(faults, fmt.Errorf("unknown resource %s: did you mean %q?", shown(word), all[i]))
			continue
		}
		note := fmt.Sprintf("the cluster does not serve %s yet; the rule has no effect until it does", shown(word))
		if near := nearest(word, all); near != "" {
			note += fmt.Sprintf("; the nearest is %q", near)
		}
		notes = append(notes, note)
	}
	return faults, notes
}

// String is the resource as the shorthand writes it.
func (s Served) String() string { return target{group: s.Group, resource: s.Resource}.String() }

// meant reports whether the target's word is another one for the resource, or one edit away.
func (s Served) meant(t target) bool {
	if s.Group != t.group {
		return s.Resource == t.resource && problem.Distance(s.Group, t.group) == 1
	}
	return strings.EqualFold(s.Singular, t.resource) || strings.EqualFold(s.Kind, t.resource) ||
		slices.Contains(s.Short, t.resource) || problem.Distance(s.Resource, t.resource) == 1
}
