package rules_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules"
)

func TestOverlap(t *testing.T) {
	for name, test := range map[string]struct {
		have, forbidden []rbacv1.PolicyRule
		want            []string
	}{
		"a grant of one named object": {list(rule("get,list", "", "secrets", "a")), list(rule("get", "", "secrets")), []string{"get  secrets  a"}},
		"a grant of all objects":      {list(rule("get", "", "secrets")), list(rule("get", "", "secrets", "a")), []string{"get  secrets  a"}},
		"some names":                  {list(rule("get", "", "secrets", "a", "b")), list(rule("get", "", "secrets", "c", "b")), []string{"get  secrets  b"}},
		"other names":                 {list(rule("get", "", "secrets", "a")), list(rule("get", "", "secrets", "b")), nil},
		"* is no pattern for a name":  {list(rule("get", "", "secrets", "*")), list(rule("get", "", "secrets", "b")), nil},
		"a request without name is not one with": {
			list(rule("list", "", "secrets", "")), list(rule("list", "", "secrets", "b")), nil,
		},
		"but one of all objects":       {list(rule("list", "", "secrets", "")), list(rule("list", "", "secrets")), []string{`list  secrets  ""`}},
		"the verb * forbidden":         {list(rule("get,list", "", "pods")), list(rule("*", "", "pods")), []string{"get,list  pods"}},
		"the verb * granted":           {list(rule("*", "", "pods")), list(rule("get,list", "", "pods")), []string{"get,list  pods"}},
		"the verb * on both sides":     {list(rule("*", "", "pods")), list(rule("*", "", "pods")), []string{"*  pods"}},
		"another verb":                 {list(rule("get", "", "pods")), list(rule("list", "", "pods")), nil},
		"every group and resource":     {list(rule("*", "*", "*")), list(rule("escalate", "rbac.authorization.k8s.io", "roles")), []string{"escalate  roles.rbac.authorization.k8s.io"}},
		"each side has its wildcard":   {list(rule("*", "apps", "deployments")), list(rule("get", "*", "*")), []string{"get  deployments.apps"}},
		"another group":                {list(rule("get", "apps", "*")), list(rule("get", "batch", "*")), nil},
		"* has the subresources":       {list(rule("get", "", "*")), list(rule("get", "", "pods/log,*/scale")), []string{"get  */scale,pods/log"}},
		"a subresource of all":         {list(rule("get", "", "*/log")), list(rule("get", "", "pods/log,pods,pods/exec")), []string{"get  pods/log"}},
		"a resource, its subresource":  {list(rule("get", "", "pods")), list(rule("get", "", "pods/log,*/log")), nil},
		"a URL of a path":              {list(urls("get", "/api/v1")), list(urls("get", "/api/*")), []string{"get  /api/v1"}},
		"paths within paths":           {list(urls("*", "/api/*,/x")), list(urls("get", "/api/v1/*,/*")), []string{"get  /api/*,/api/v1/*,/x"}},
		"every URL, in both notations": {list(urls("get", "*")), list(urls("get", "/*")), []string{"get  /*"}},
		"another path":                 {list(urls("get", "/api/*")), list(urls("get", "/api,/apis/*")), nil},
		"a URL is no resource":         {list(rule("*", "*", "*")), list(urls("get", "/api")), nil},
		"merged": {
			list(rule("get", "", "pods"), rule("list", "", "pods"), rule("get", "", "secrets")), list(rule("*", "*", "*")),
			[]string{"get       secrets", "get,list  pods"},
		},
		"nothing": {nil, list(rule("*", "*", "*")), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := rules.Overlap(test.have, test.forbidden)
			slices.Sort(test.want)
			if diff := cmp.Diff(test.want, slices.Sorted(slices.Values(rules.Format(got))), cmpopts.EquateEmpty()); diff != "" {
				t.Error("-want +got\n", diff)
			}
			if (got == nil) != (test.want == nil) {
				t.Error("no overlap must be nil")
			}
			if !rules.Equal(got, rules.Overlap(test.forbidden, test.have)) {
				t.Error("swapped, it is", rules.Overlap(test.forbidden, test.have))
			}
		})
	}
}

// The overlap grants a request if and only if both sides do, and is empty only where no request is granted by both.
func TestOverlapByRequest(t *testing.T) {
	requests := list(rule("get,list,new", ",apps,new", "pods,pods/log,new,new/log,new/new"),
		rule("get,list,new", ",apps,new", "pods,pods/log,new,new/log,new/new", "a", "b", "new"), urls("get,list,new", "/,/a,/a/,/a/b,/b,/ab"))
	all := rules.ListQuestions(requests, false)
	granted := func(rs []rbacv1.PolicyRule) map[rules.Question]bool { // Covers is the API server's own comparison
		is := map[rules.Question]bool{}
		for _, q := range all {
			is[q] = true
		}
		for _, q := range rules.ListQuestions(rules.Covers(rs, requests), false) {
			is[q] = false
		}
		return is
	}
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(words ...string) []string {
		return []string{words[random.IntN(len(words))], words[random.IntN(len(words))]}
	}
	some := func() (rs []rbacv1.PolicyRule) {
		for range 1 + random.IntN(2) {
			r := rbacv1.PolicyRule{Verbs: pick("get", "list", "*"), APIGroups: pick("", "apps", "*"), Resources: pick("pods", "pods/log", "*/log", "*")}
			if random.IntN(2) == 0 {
				r.ResourceNames = pick("a", "b", "new")
			}
			if random.IntN(3) == 0 {
				r = rbacv1.PolicyRule{Verbs: r.Verbs, NonResourceURLs: pick("/a", "/a/*", "/a*", "/*", "*", "/b")}
			}
			rs = append(rs, r)
		}
		return rs
	}
	empty := 0
	for range 100 {
		a, b := some(), some()
		both := rules.Overlap(a, b)
		inA, inB, inBoth := granted(a), granted(b), granted(both)
		if both == nil {
			empty++
		}
		for _, q := range all {
			if inBoth[q] != (inA[q] && inB[q]) {
				t.Fatalf("%+v: %t by %q, %t by %q, %t by %q", q, inA[q], rules.Format(a), inB[q], rules.Format(b), inBoth[q], rules.Format(both))
			}
		}
		if some := slices.ContainsFunc(all, func(q rules.Question) bool { return inBoth[q] }); some == (both == nil) {
			t.Fatalf("%q, of %q and %q, grants a request: %t", rules.Format(both), rules.Format(a), rules.Format(b), some)
		}
	}
	if empty < 10 || empty > 90 {
		t.Errorf("%d of 100 were empty, which proves little", empty)
	}
}

func TestQuestions(t *testing.T) {
	rs := list(rule("get,list", "", "pods/log", "a", "b"), rule("*", "*", "*"), rule("*", "apps", "*/scale"), urls("*", "/x/*"))
	got := rules.ListQuestions(rs, false)
	want := []rules.Question{
		{Verb: "get", Resource: "pods", Subresource: "log", Name: "a"},
		{Verb: "list", Resource: "pods", Subresource: "log", Name: "a"},
		{Verb: "get", Resource: "pods", Subresource: "log", Name: "b"},
		{Verb: "list", Resource: "pods", Subresource: "log", Name: "b"},
		{Verb: "*", Group: "*", Resource: "*"},
		{Verb: "*", Group: "apps", Resource: "*", Subresource: "scale"},
		{Verb: "*", URL: "/x/*"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("-want +got\n", diff)
	}
	var back []rbacv1.PolicyRule
	for _, q := range got {
		back = append(back, q.Rule())
	}
	if !rules.Equal(rs, back) {
		t.Error("back it is", rules.Format(back))
	}
	asked := rules.ListQuestions(rs, true)
	if len(asked) != 4+16+16+7 || slices.ContainsFunc(asked, func(q rules.Question) bool { return q.Verb == "*" }) {
		t.Errorf("%d questions: %v", len(asked), asked)
	}
	for _, q := range []rules.Question{{Verb: "escalate", Group: "*", Resource: "*"}, {Verb: "head", URL: "/x/*"}} {
		if !slices.Contains(asked, q) {
			t.Errorf("%+v is missing", q)
		}
	}
}

// A Role that was read back in another order: compared for each of up to a thousand namespaces.
func BenchmarkEqual(b *testing.B) {
	var rs []rbacv1.PolicyRule
	for i := range 960 {
		rs = append(rs, rule("get,list,watch,create", "example.com", fmt.Sprintf("widgets%d,gadgets%d", i, i)))
	}
	other := slices.Clone(rs)
	slices.Reverse(other)
	for b.Loop() {
		if !rules.Equal(rs, other) {
			b.Fatal("not equal")
		}
	}
}
