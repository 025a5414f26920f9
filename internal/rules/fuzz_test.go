package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

// FuzzParse: Parse never panics, and what it returns prints without control characters, and as shorthand that grants the
// same and prints the same unless something in it had to be quoted.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"get,list pods,deployments.apps/scale,*.batch,*/log a,b # c\n* *.*\nget /healthz,/api/*",
		"- {verbs: [impersonate], apiGroups: [''], resources: [groups], resourceNames: [Domain Admins, \"\\u202e\", 'a,b']}",
		"impersonate:user-info users.*\naccept widgets.a.b",
		"get pods; cluster get,list nodes ;# c\ncluster get /healthz;;cluster,get widgets.a.b",
		"- {verbs: [cluster], apiGroups: ['', apps, a.b], resources: [c, pods], resourceNames: ['a;b']}",
		"- {verbs: [get], apiGroups: ['', apps, a.b], resources: [pods, deployments/scale], resourceNames: [a]}\n- verbs: [get]\n  nonResourceURLs: ['*', /x]",
		"kind: List\nitems:\n- kind: Role\n  metadata: {name: x}\n  rules: &r\n  - {verbs: ['*'], apiGroups: ['*'], resources: ['*/x']}\n- rules: *r\n---\n{\"rules\": []}",
		"- {verbs: ['a:', '-', '{', '%', '\"', ' '], apiGroups: [a.b], resources: [c, 'd e/f g']}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		scoped, err := syntax.ParseRules(text)
		if err != nil {
			for _, fault := range problem.ListErrors(err) {
				if strings.ContainsAny(fault.Error(), "\x00\x1b\r") {
					t.Errorf("a fault carries control characters: %q", fault)
				}
			}
			return
		}
		parsed := scoped.All()
		lines := slices.Concat(rules.Format(scoped.Rules), rules.FormatCluster(scoped.Cluster))
		text = strings.Join(lines, "\n")
		if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) {
			t.Fatalf("%q is not plain", lines)
		}
		if strings.Contains(text, `"`) {
			return
		}
		again, err := syntax.ParseRules(text)
		if err != nil {
			t.Fatalf("%q does not read back: %v", lines, err)
		}
		if !rules.Equal(scoped.Rules, again.Rules) || !rules.Equal(scoped.Cluster, again.Cluster) {
			t.Fatalf("%q reads back as something else: %+v, was %+v", lines, again, scoped)
		}
		back := slices.Concat(rules.Format(again.Rules), rules.FormatCluster(again.Cluster))
		if fmt.Sprint(lines) != fmt.Sprint(back) {
			t.Fatalf("%q prints differently when read back: %q", lines, back)
		}
		rules.NewMatrix(parsed)
		rules.ListCaveats(parsed, true)
		rules.FindUnserved(parsed, []rules.Served{{Group: "a.b", Resource: "widgets", Kind: "Widget"}})
		var asked []rbacv1.PolicyRule
		for _, q := range rules.ListQuestions(parsed, false) {
			asked = append(asked, q.Rule())
		}
		if !rules.Equal(parsed, asked) {
			t.Fatalf("%q is asked for as %q", lines, rules.Format(asked))
		}
	})
}

// FuzzOverlap: the overlap is the same from both sides, so that both find it empty; each side covers it; and what one side
// has that the other covers is in it.
func FuzzOverlap(f *testing.F) {
	f.Add("get,list pods,deployments.apps/scale,*.batch,*/log a,b\n* *.*\nget /healthz,/api/*", "* */log,*.*/scale b,c\nget pods.*\n* /*,/api")
	f.Add("* *", "get pods/log a")
	f.Add("get /a*,/a/b*", "* /a/*,/a")
	f.Fuzz(func(t *testing.T, one, other string) {
		first, err := syntax.ParseRules(one)
		second, err2 := syntax.ParseRules(other)
		if err != nil || err2 != nil {
			return
		}
		a := first.All()
		b := second.All()
		both := rules.Overlap(a, b)
		if !rules.Equal(both, rules.Overlap(b, a)) {
			t.Errorf("%q overlaps %q in %q, and swapped in %q",
				rules.Format(a), rules.Format(b), rules.Format(both), rules.Format(rules.Overlap(b, a)))
		}
		if beyond := append(rules.Covers(a, both), rules.Covers(b, both)...); beyond != nil {
			t.Errorf("%q and %q do not overlap in %q", rules.Format(a), rules.Format(b), rules.Format(beyond))
		}
		for _, q := range rules.ListQuestions(a, false) {
			atom := []rbacv1.PolicyRule{q.Rule()}
			if rules.Covers(b, atom) == nil && rules.Covers(both, atom) != nil {
				t.Errorf("%+v is missing in %q", q, rules.Format(both))
			}
		}
	})
}

func TestBounds(t *testing.T) {
	many := func(n int, item, separator string) string {
		return strings.TrimSuffix(strings.Repeat(item+separator, n), separator)
	}
	bomb := "metadata:\n  a: &a [" + many(100, "get", ",") + "]\n"
	for c := 'b'; c < 'i'; c++ {
		bomb += fmt.Sprintf("  %c: &%c [%s]\n", c, c, many(100, "*"+string(c-1), ","))
	}
	for name, test := range map[string]struct{ text, want string }{
		"size":                     {many(600_000, "#", "\n"), "the rules have 1199999 bytes, the limit is 1048576"},
		"rules":                    {many(1001, "get pods", "\n"), "line 1001: too much"},
		"one line":                 {"get pods " + many(20_001, "a", ","), "line 1: too much"},
		"combinations":             {many(30, many(10, "get", ",")+" "+many(10, "pods", ",")+" "+many(10, "a", ","), "\n"), "line 21: too much"},
		"faults":                   {many(900, "lst pods", "\n"), "line 51: there are more faults from here on"},
		"faults of a line":         {many(900, "lst", ",") + " pods", "line 1: there are more faults from here on"},
		"faults of resources":      {"get " + many(15_000, "zqpodsxx", ","), "line 1: there are more faults from here on"},
		"faults of YAML resources": {"- {verbs: [get], apiGroups: [''], resources: [" + many(15_000, "zqpodsxx", ",") + "]}", "rules[0]: there are more faults from here on"},
		"a long word":              {"get " + many(1_000_000, "p", ""), "line 1: unknown resource"},
		"YAML combinations":        {"- {verbs: &a [" + many(300, "get", ",") + "], apiGroups: *a, resources: *a, resourceNames: *a}", "rules[0]: too much"},
		"alias bomb":               {bomb, "excessive aliasing"},
		"depth":                    {many(500_000, "[", ""), "YAML: "},
		"nested items":             {many(100_000, "{items: [", ""), "YAML: "},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := syntax.ParseRules(test.text)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %.300v, want %s", err, test.want)
			}
			if took := time.Since(start); took > 3*time.Second { // each takes milliseconds
				t.Error("took", took)
			}
		})
	}
}
