package needs

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

// Declared holds the rules that a run grants, and where.
type Declared struct {
	Rules      syntax.Scoped
	Namespaces []string                       // none where they are not known: each may be one
	Roles      map[string][]rbacv1.PolicyRule // of the roles that are bound, by namespace; "" at cluster scope
}

// Missing returns the needs that the declared rules do not cover, without the comments.
func (n List) Missing(declared Declared) List {
	var left List
	for _, place := range n.Places {
		short := Place{Namespace: place.Namespace, Cluster: place.Cluster}
		for _, line := range place.Lines {
			if missing := declared.lack(place, line.Rules); len(missing) > 0 {
				short.Lines = append(short.Lines, Line{Rules: missing, For: line.For, Because: line.Because})
			}
		}
		if len(short.Lines) > 0 {
			left.Places = append(left.Places, short)
		}
	}
	return left
}

// lack returns the needed rules that do not hold in a place. Where its namespace is left open, they
// have to hold in every declared one: a Role of one name can differ from namespace to namespace.
func (d Declared) lack(place Place, needed []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	cluster := slices.Concat(d.Rules.Cluster, d.Roles[""])
	if place.Cluster || len(d.LeavesOut([]string{place.Namespace})) > 0 {
		return rules.Covers(cluster, needed)
	}
	namespaces := []string{place.Namespace}
	if place.Namespace == "" && len(d.Namespaces) > 0 {
		namespaces = d.Namespaces
	}
	for _, namespace := range namespaces {
		have := slices.Concat(cluster, d.Rules.Rules, d.Roles[namespace])
		if missing := rules.Covers(have, needed); len(missing) > 0 {
			return missing
		}
	}
	return nil
}

// LeavesOut returns those of the namespaces that are not declared.
func (d Declared) LeavesOut(namespaces []string) []string {
	return slices.DeleteFunc(namespaces, func(namespace string) bool {
		return namespace == "" || len(d.Namespaces) == 0 || slices.Contains(d.Namespaces, namespace)
	})
}
