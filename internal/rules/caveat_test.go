package rules_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

func TestCaveats(t *testing.T) {
	const (
		created   = ": with names this grants creation by server-side apply, with patch, and refuses an ordinary create (POST): leave the names out to allow that"
		listed    = ": with names this refuses every request but for one with the field selector metadata.name=NAME: declare get, or leave the names out"
		collected = ": with names this grants nothing, as such a request never has one: declare delete, or leave the names out"
		nowhere   = ": grants nothing in a Role, since no namespace has such objects: begin the rule with the word cluster"
		namespace = ": a Role grants get, update, patch and delete of its own namespace, and no more: the rest takes a rule that begins with the word cluster"
		bindable  = ": in a Role this is bind alone, by which a RoleBinding can give all that the ClusterRole has: declare bind, with names"
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
		"* of ClusterRoles":           {"get,* clusterroles", nil, []string{"* clusterroles.rbac.authorization.k8s.io" + bindable}},
	} {
		t.Run(name, func(t *testing.T) {
			rs, err := rules.Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if test.inOne == nil {
				test.inOne = test.cluster
			}
			for namespaced, want := range map[bool][]string{false: test.cluster, true: test.inOne} {
				if diff := cmp.Diff(want, slices.Sorted(slices.Values(rules.Caveats(rs.Rules, namespaced))), cmpopts.EquateEmpty()); diff != "" {
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
		text          string
		faults, notes []string
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
		"two slips are a doubt": {text: "get wigest.example.com,wdgets.exmple.com,widgets.exmpl.com", notes: []string{
			`the cluster does not serve "widgets.exmpl.com" yet; the rule has no effect until it does; the nearest is "widgets.example.com"`,
			`the cluster does not serve "wigest.example.com" yet; the rule has no effect until it does; the nearest is "widgets.example.com"`,
			`the cluster does not serve "wdgets.exmple.com" yet; the rule has no effect until it does; the nearest is "widgets.example.com"`,
		}},
		"unlike any": {text: "get others.example.org,novelty.batch", notes: []string{
			`the cluster does not serve "novelty.batch" yet; the rule has no effect until it does`,
			`the cluster does not serve "others.example.org" yet; the rule has no effect until it does`,
		}},
		"of another group": {text: "get wdg.example.org,widget.example.org", notes: []string{
			`the cluster does not serve "wdg.example.org" yet; the rule has no effect until it does`,
			`the cluster does not serve "widget.example.org" yet; the rule has no effect until it does`,
		}},
		"a long word": {text: "get " + strings.Repeat("x", 500_000) + ".example.com", notes: []string{
			`the cluster does not serve "` + strings.Repeat("x", 61) + `..." yet; the rule has no effect until it does`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			rs, err := rules.Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			faults, notes := rules.Unserved(rs.Rules, served)
			var got []string
			for _, fault := range faults {
				got = append(got, problem.All(fault)[0].Error())
			}
			if diff := cmp.Diff([][]string{test.faults, test.notes}, [][]string{got, notes}, cmpopts.EquateEmpty(), cmpopts.SortSlices(strings.Compare)); diff != "" {
				t.Error("-want +got\n", diff)
			}
		})
	}
}
