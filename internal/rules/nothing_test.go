package rules_test

import (
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

func TestCountInNamespace(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"get pods":                          true,
		"get nodes":                         false,
		"get,list nodes,persistentvolumes":  false,
		"get nodes; get pods":               true,
		"get nodes/proxy":                   false,
		"* nodes":                           false,
		"* *":                               true,
		"get *.*":                           true,
		"get storageclasses.storage.k8s.io": false,
		"get csistoragecapacities.storage.k8s.io":               true,
		"get widgets.example.com":                               true,
		"get namespaces":                                        true,
		"list,watch namespaces":                                 false,
		"create namespaces":                                     false,
		"bind clusterroles.rbac.authorization.k8s.io   view":    true,
		"get clusterroles.rbac.authorization.k8s.io":            false,
		"get /healthz":                                          false,
		"get /healthz; get nodes":                               false,
		"create selfsubjectaccessreviews.authorization.k8s.io":  false,
		"create localsubjectaccessreviews.authorization.k8s.io": true,
	} {
		parsed, err := syntax.ParseRules(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got := rules.CountInNamespace(parsed.Rules); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
	for name, rs := range map[string][]rbacv1.PolicyRule{
		"no rules":     nil,
		"no verbs":     {{APIGroups: []string{""}, Resources: []string{"pods"}}},
		"no resources": {{APIGroups: []string{""}, Verbs: []string{"get"}}},
		"no groups":    {{Resources: []string{"pods"}, Verbs: []string{"get"}}},
	} {
		if rules.CountInNamespace(rs) {
			t.Errorf("%s: it counts", name)
		}
	}
}
