package lacking // for groupByRules

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rights"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

func TestPlacesHaveRulesInCommon(t *testing.T) {
	t.Parallel()
	pods, roles := parseRules(t, "get pods"), parseRules(t, "get,create,patch roles x")
	for name, tt := range map[string]struct {
		needs []rights.Need
		want  []string
	}{
		"none":                 {nil, nil},
		"nothing is lacking":   {[]rights.Need{{Namespace: "a"}, {Namespace: ""}}, nil},
		"the same in many":     {[]rights.Need{{Namespace: "a", Rules: pods}, {Namespace: "b", Rules: roles}, {Namespace: "c", Rules: pods}, {Namespace: "d", Rules: nil}}, []string{"in namespace a, c: get  pods", "in namespace b: get,create,patch  roles.rbac.authorization.k8s.io  x"}},
		"at the cluster scope": {[]rights.Need{{Namespace: "", Rules: roles}, {Namespace: "a", Rules: pods}}, []string{"at the cluster scope: get,create,patch  roles.rbac.authorization.k8s.io  x", "in namespace a: get  pods"}},
		"more than ten namespaces": {func() (needed []rights.Need) {
			for namespace := range strings.SplitSeq("abcdefghijk", "") {
				needed = append(needed, rights.Need{Namespace: namespace, Rules: pods})
			}
			return needed
		}(), []string{"in namespace a, b, c, d, e, f, g, h, i, j, …: get  pods"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range groupByRules(tt.needs) {
				got = append(got, p.where+": "+strings.Join(rules.Format(p.rules), "; "))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func parseRules(t *testing.T, text string) []rbacv1.PolicyRule {
	t.Helper()
	parsed, err := syntax.ParseRules(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Rules
}
