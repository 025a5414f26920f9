package rules_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

func TestParse_SeveralRulesAndScopes(t *testing.T) {
	t.Parallel()
	pods := rule("get", "", "pods")
	services := rule("list", "", "services")
	nodes := rule("get,list", "", "nodes")
	for name, test := range map[string]struct {
		text string
		want syntax.Scoped
	}{
		"rules on one line":               {"get pods; list services", syntax.Scoped{Rules: list(pods, services)}},
		"without spaces":                  {"get pods;list services;", syntax.Scoped{Rules: list(pods, services)}},
		"a comment has no rules":          {"get pods # not; list services", syntax.Scoped{Rules: list(pods)}},
		"a comment right after a rule":    {"get pods;# list services", syntax.Scoped{Rules: list(pods)}},
		"empty rules":                     {" ; ;get pods;;\r\n;", syntax.Scoped{Rules: list(pods)}},
		"lines and semicolons":            {"get pods;\nlist services", syntax.Scoped{Rules: list(pods, services)}},
		"at cluster scope":                {"cluster  get,list  nodes", syntax.Scoped{Cluster: list(nodes)}},
		"both scopes on one line":         {"get pods; cluster get,list nodes", syntax.Scoped{Rules: list(pods), Cluster: list(nodes)}},
		"both scopes, cluster first":      {"cluster\tget,list nodes\nget pods", syntax.Scoped{Rules: list(pods), Cluster: list(nodes)}},
		"the same rule at both":           {"get pods;cluster get pods", syntax.Scoped{Rules: list(pods), Cluster: list(pods)}},
		"a URL at cluster scope":          {"cluster get /healthz", syntax.Scoped{Cluster: list(urls("get", "/healthz"))}},
		"names at cluster scope":          {"cluster get nodes a,b", syntax.Scoped{Cluster: list(rule("get", "", "nodes", "a", "b"))}},
		"a resource that is called so":    {"get cluster.example.com", syntax.Scoped{Rules: list(rule("get", "example.com", "cluster"))}},
		"an object that is called so":     {"get pods cluster", syntax.Scoped{Rules: list(rule("get", "", "pods", "cluster"))}},
		"a custom verb next to another":   {"cluster,get widgets.example.com", syntax.Scoped{Rules: list(rule("cluster,get", "example.com", "widgets"))}},
		"a ClusterRole follows the scope": {"kind: ClusterRole\nrules: [{verbs: [get], apiGroups: ['']," + " resources: [pods]}]", syntax.Scoped{Rules: list(pods)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := syntax.ParseRules(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error("-want +got\n", diff)
			}
			printed := strings.Join(slices.Concat(rules.Format(got.Rules), rules.FormatCluster(got.Cluster)), "\n")
			if back, err := syntax.ParseRules(printed); err != nil ||
				!rules.Equal(back.Rules, got.Rules) || !rules.Equal(back.Cluster, got.Cluster) {
				t.Errorf("%q reads back as %+v, %v", printed, back, err)
			}
			if err := syntax.CheckForm(test.text); err != nil {
				t.Error("as a file:", err)
			}
		})
	}
}

func TestParse_FaultsOfStatements(t *testing.T) {
	t.Parallel()
	const itself = `: a rule for the whole cluster begins with the word cluster by itself, as in cluster get,list nodes`
	const columns = `a rule is VERBS RESOURCES [NAMES], with no space inside a list`
	for text, want := range map[string][]string{
		"get pods; lst services":         {`line 1, rule 2: unknown verb "lst": did you mean "list"?`},
		"get pods;get":                   {`line 1, rule 2: ` + columns},
		"cluster":                        {`line 1: after the word cluster, ` + columns},
		"cluster get":                    {`line 1: after the word cluster, ` + columns},
		"get pods; cluster widgets.a.b":  {`line 1, rule 2: after the word cluster, ` + columns},
		"cluster get pods a b":           {`line 1: after the word cluster, ` + columns},
		"cluster delete get pods":        {`line 1: unknown resource "get"`},
		"get pods\ncluster: get nodes":   {`line 2: "cluster:"` + itself},
		"get pods\ncluster:get a.b.c":    {`line 2: "cluster:get"` + itself},
		"Cluster get nodes":              {`line 1: "Cluster"` + itself},
		"cluster get /healthz,pods":      {`line 1: a rule with URLs has no names and no resources`},
		"cluster: get nodes":             {`YAML: line 1: field cluster not found: YAML has no word for it`},
		"cluster:\n- {verbs: [get]}":     {`YAML: line 1: field cluster not found: YAML has no word for it`},
		"approve signers a.b/*,*/*":      {`line 1: name "*/*": there are no patterns for names`},
		"approve signers,pods a.b/*":     {`line 1: name "a.b/*": there are no patterns for names`},
		"approve certificates.a.b a.b/*": {`line 1: name "a.b/*": there are no patterns for names`},
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			_, err := syntax.ParseRules(text)
			faults := problem.ListErrors(err)
			if len(faults) != len(want) {
				t.Fatalf("got %v, want %q", err, want)
			}
			for i, fault := range faults {
				if !strings.HasPrefix(fault.Error(), want[i]) {
					t.Errorf("got %q, want %q", fault, want[i])
				}
			}
		})
	}
}

// What only YAML can say is printed in quotes, so that nobody pastes it as something else.
func TestFormat_QuotesWhatShorthandReadsDifferently(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[{verbs: [cluster], apiGroups: [a.b], resources: [c]}]`:                     `"cluster"  c.a.b`,
		`[{verbs: [get], apiGroups: ["", apps], resources: [pods, deployments]}]`:    `get  "deployments",pods,deployments.apps,"pods.apps"`,
		`[{verbs: [get], apiGroups: ["", a.b], resources: [widgets]}]`:               `get  "widgets",widgets.a.b`,
		`[{verbs: [get], apiGroups: [""], resources: [pods], resourceNames: [a;b]}]`: `get  pods  "a;b"`,
		`[{verbs: [get], nonResourceURLs: [/a;b]}]`:                                  `get  "/a;b"`,
	} {
		got, err := syntax.ParseRules(text)
		if err != nil {
			t.Error(err)
			continue
		}
		if lines := strings.Join(rules.Format(got.Rules), "\n"); lines != want {
			t.Errorf("%s prints as %s, want %s", text, lines, want)
		}
	}
}
