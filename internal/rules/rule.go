package rules

import rbacv1 "k8s.io/api/rbac/v1"

// NewRule is a rule for the object of that name; "" is every object.
func NewRule(group, resource, name string, verbs ...string) rbacv1.PolicyRule {
	rule := rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: verbs}
	if name != "" {
		rule.ResourceNames = []string{name}
	}
	return rule
}
