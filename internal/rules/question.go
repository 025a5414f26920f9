package rules

import (
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules/names"
)

// Question is one that an access review can ask: a verb for a resource (of every group where Group
// is *), or for a URL.
type Question struct{ Verb, Group, Resource, Subresource, Name, URL string }

// ListQuestions are rules as the single requests that they grant; no Name means every object. With
// verbs, * is every known verb, since a review of * is about a grant of * alone; other wildcards
// stay as they are.
func ListQuestions(rs []rbacv1.PolicyRule, verbs bool) []Question {
	var all []Question
	for _, l := range groupByTarget(breakDown(rs)) {
		t := l.Targets[0]
		if verbs && l.Verbs[0] == "*" {
			l.Verbs = names.ResourceVerbs
			if t.URL != "" {
				l.Verbs = names.URLVerbs
			}
		}
		if len(l.Names) == 0 {
			l.Names = []string{""}
		}
		q := Question{Group: t.Group, URL: t.URL}
		q.Resource, q.Subresource, _ = strings.Cut(t.Resource, "/")
		for _, q.Name = range l.Names {
			for _, q.Verb = range l.Verbs {
				all = append(all, q)
			}
		}
	}
	return all
}

// Rule is the rule that grants what is asked.
func (q Question) Rule() rbacv1.PolicyRule {
	l := Line{
		Verbs:   []string{q.Verb},
		Targets: []Target{{q.Group, strings.TrimSuffix(q.Resource+"/"+q.Subresource, "/"), q.URL}},
	}
	if q.Name != "" {
		l.Names = []string{q.Name}
	}
	return l.Rules()[0]
}
