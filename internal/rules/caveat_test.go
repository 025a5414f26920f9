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

func TestCaveats(t *testing.T) {
	const (
		created   = ": with names this grants creation by server-side apply, with patch, and refuses an ordinary create (POST): leave the names out to allow that"
		listed    = ": with names this refuses every request but for one with the field selector metadata.name=NAME: declare get, or leave the names out"
		collected = ": with names this grants nothing, as such a request never has one: declare delete, or leave the names out"
		nowhere   = ": grants nothing in a Role, since no namespace has such objects: begin the rule with the word cluster"
		namespace = ": a Role grants get, update, patch and delete of its own namespace, and no more: the rest takes a rule that begins with the word cluster"
		half      = ": Kubernetes 1.35 and newer also ask for create, without which kubectl is refused: declare get,create"
		moved     = "the API group extensions: no cluster serves it since Kubernetes 1.22, and rules for it have no effect; " +
			"its resources are in apps, networking.k8s.io and policy now"
		bindable = ": in a Role this is bind alone, and a RoleBinding can then grant all that the ClusterRole has: declare bind, with names"
	)
	for name, test := range map[string]struct {
		text           string
		cluster, inOne []string
	}{
		"what is as it seems": {text: "get,list,watch,create,deletecollection pods,widgets.a.b\nget,update,patch,delete,* configmaps a\n" +
			"create pods/exec,serviceaccounts/token a\nget /healthz\n* *\nget *.*"},
		"create of names":        {"get,create,patch configmaps,deployments.apps a,b", []string{"create configmaps,deployments.apps a,b" + created}, nil},
		"list and watch":         {"get,list,watch secrets a\nlist secrets b", []string{"list secrets b" + listed, "list,watch secrets a" + listed}, nil},
		"deletecollection":       {"delete,deletecollection *.batch a", []string{"deletecollection *.batch a" + collected}, nil},
		"a name that needs care": {"list users a\\b", []string{`list users "a\\b"` + listed}, []string{`list users "a\\b"` + nowhere}},
		"of the cluster": {"get nodes,nodes/metrics,pods\n* customresourcedefinitions,storageclasses\nescalate clusterroles\nimpersonate users,serviceaccounts", nil, []string{
			"* customresourcedefinitions.apiextensions.k8s.io,storageclasses.storage.k8s.io" + nowhere,
			"escalate clusterroles.rbac.authorization.k8s.io" + nowhere, "get nodes,nodes/metrics" + nowhere, "impersonate users" + nowhere,
		}},
		"of a group of its own":       {text: "get nodes.metrics.k8s.io,nodes.*"},
		"namespaces":                  {"get,list,delete,watch namespaces\n* namespaces/finalize", nil, []string{"list,watch namespaces" + namespace}},
		"everything about namespaces": {"* namespaces", nil, []string{"* namespaces" + namespace}},
		"bind of ClusterRoles":        {"bind clusterroles edit\nget clusterroles edit", nil, []string{"get clusterroles.rbac.authorization.k8s.io edit" + nowhere}},
		"exec by get alone":           {"get pods/exec,pods/attach,pods/portforward,pods/log", []string{"get pods/attach,pods/exec,pods/portforward" + half}, nil},
		"exec of other names":         {"get pods/exec a,b\ncreate pods/exec b", []string{"get pods/exec a" + half}, nil},
		"exec, whole":                 {text: "get,create pods/exec\nget pods/attach\ncreate pods/attach\n* pods/portforward\nget pods/exec a"},
		"exec by a wider rule":        {text: "get pods/exec,pods/attach\ncreate *"},
		"a group that is gone":        {"get,list deployments.extensions/scale\nget pods,ingresses.extensions\nget deployments", []string{moved}, nil},
		"what no cluster has": {
			text:    `- {verbs: [get, create], apiGroups: ["", apps, policy], resources: [nodes, configmaps], resourceNames: [a]}`,
			cluster: []string{"create configmaps,nodes a" + created},
			inOne:   []string{"create configmaps a" + created, "get,create nodes a" + nowhere},
		},
		"* of ClusterRoles": {"get,* clusterroles", nil, []string{"* clusterroles.rbac.authorization.k8s.io" + bindable}},
	} {
		t.Run(name, func(t *testing.T) {
			rs, err := syntax.ParseRules(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if test.inOne == nil {
				test.inOne = test.cluster
			}
			for namespaced, want := range map[bool][]string{false: test.cluster, true: test.inOne} {
				if diff := cmp.Diff(want, slices.Sorted(slices.Values(rules.ListCaveats(rs.Rules, namespaced))), cmpopts.EquateEmpty()); diff != "" {
					t.Error("namespaced", namespaced, "-want +got\n", diff)
				}
			}
		})
	}
}

func TestUnserved(t *testing.T) {
	served := []rules.Served{
		{Group: "example.com", Resource: "widgets", Singular: "widget", Kind: "Widget", Short: []string{"wdg"}},
		{Group: "example.com", Resource: "indices", Singular: "index", Kind: "SearchIndex"},
		{Group: "apps", Resource: "deployments", Singular: "deployment", Kind: "Deployment", Short: []string{"deploy"}},
		{Group: "apps", Resource: "novelties"},
	}
	for name, test := range map[string]struct {
		text   string
		faults []string
		note   string
	}{
		"served, built in, and wildcards": {text: "get widgets.example.com/status,*.example.com,widgets.*,pods,statefulsets.apps,novelties.apps,*.nowhere.com\nget /x"},
		"a singular, a kind, a short name": {text: "get index.example.com,searchindex.example.com,wdg.example.com/status", faults: []string{
			`unknown resource "index.example.com": did you mean "indices.example.com"?`,
			`unknown resource "searchindex.example.com": did you mean "indices.example.com"?`,
			`unknown resource "wdg.example.com": did you mean "widgets.example.com"?`,
		}},
		"one slip, told once": {text: "get wdigets.example.com,wdigets.example.com/status\nlist wdigets.example.com a", faults: []string{
			`unknown resource "wdigets.example.com": did you mean "widgets.example.com"?`,
		}},
		"a slip in the group": {text: "get widgets.exmple.com", faults: []string{`unknown resource "widgets.exmple.com": did you mean "widgets.example.com"?`}},
		"two slips are a doubt": {text: "get wigest.example.com,wdgets.exmple.com,widgets.exmpl.com", note: `the cluster does not serve ` +
			`"wigest.example.com" (the nearest is "widgets.example.com"), "widgets.exmpl.com" (the nearest is "widgets.example.com"), ` +
			`"wdgets.exmple.com" (the nearest is "widgets.example.com") yet; these rules have no effect until it does`},
		"unlike any": {
			text: "get others.example.org,novelty.batch",
			note: `the cluster does not serve "novelty.batch", "others.example.org" yet; these rules have no effect until it does`,
		},
		"one alone": {
			text: "get,list wdg.example.org,wdg.example.org/status",
			note: `the cluster does not serve "wdg.example.org" yet; the rule has no effect until it does`,
		},
		"a long word": {
			text: "get " + strings.Repeat("x", 500_000) + ".example.com",
			note: `the cluster does not serve "` + strings.Repeat("x", 61) + `..." yet; the rule has no effect until it does`,
		},
		"many": {
			text: "get a.b.io,b.b.io,c.b.io,d.b.io,e.b.io,f.b.io,g.b.io,h.b.io,i.b.io,j.b.io,k.b.io,l.b.io,m.b.io,n.b.io",
			note: `the cluster does not serve "a.b.io", "b.b.io", "c.b.io", "d.b.io", "e.b.io", "f.b.io", "g.b.io", "h.b.io", "i.b.io", ` +
				`"j.b.io", "k.b.io", "l.b.io" and 2 more yet; these rules have no effect until it does`,
		},
		"what no cluster has": {text: `- {verbs: [get], apiGroups: ["", apps, extensions, policy], resources: [pods, deployments, ingresses/status]}`},
		"audiences":           {text: `- {verbs: [request-serviceaccounts-token-audience], apiGroups: [""], resources: [registry.example.com]}`},
	} {
		t.Run(name, func(t *testing.T) {
			rs, err := syntax.ParseRules(test.text)
			if err != nil {
				t.Fatal(err)
			}
			faults, note := rules.FindUnserved(rs.Rules, served)
			var got []string
			for _, fault := range faults {
				got = append(got, problem.ListErrors(fault)[0].Error())
			}
			if diff := cmp.Diff(test.faults, got, cmpopts.EquateEmpty(), cmpopts.SortSlices(strings.Compare)); diff != "" {
				t.Error("-want +got\n", diff)
			}
			if note != test.note {
				t.Errorf("got  %s\nwant %s", note, test.note)
			}
		})
	}
}
