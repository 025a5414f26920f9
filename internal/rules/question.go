package rules

import (
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Question is what one access review can ask: a verb for a resource (of every group where Group is *), or for a URL.
type Question struct{ Verb, Group, Resource, Subresource, Name, URL string }

// Questions are rules as the single requests that they grant; no Name means every object. With verbs, * is every known
// verb, since a review of * is about a grant of * alone; other wildcards stay as they are.
func Questions(rs []rbacv1.PolicyRule, verbs bool) []Question {
	var all []Question
	for _, l := range accesses(atoms(rs)) {
		t := l.targets[0]
		if verbs && l.verbs[0] == "*" {
			l.verbs = resourceVerbs
			if t.url != "" {
				l.verbs = urlVerbs
			}
		}
		if len(l.names) == 0 {
			l.names = []string{""}
		}
		q := Question{Group: t.group, URL: t.url}
		q.Resource, q.Subresource, _ = strings.Cut(t.resource, "/")
		for _, q.Name = range l.names {
			for _, q.Verb = range l.verbs {
				all = append(all, q)
			}
		}
	}
	return all
}

// Rule is the rule that grants what is asked.
func (q Question) Rule() rbacv1.PolicyRule {
	l := line{verbs: []string{q.Verb}, targets: []target{{q.Group, strings.TrimSuffix(q.Resource+"/"+q.Subresource, "/"), q.URL}}}
	if q.Name != "" {
		l.names = []string{q.Name}
	}
	return l.rules()[0]
}
