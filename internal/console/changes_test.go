package console

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

func parse(t *testing.T, shorthand string) []rbacv1.PolicyRule {
	t.Helper()
	parsed, err := syntax.ParseRules(shorthand)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Rules
}

// spread is the same change in n namespaces.
func spread(n int, change access.Change) (all []access.Change) {
	for i := range n {
		change.Ref.Namespace = fmt.Sprintf("n%02d", i)
		all = append(all, change)
	}
	return all
}

func TestChangeLines(t *testing.T) {
	t.Parallel()
	role := kube.Ref{Kind: "Role", Name: "kubemint:bots:ci"}
	pods, secrets := parse(t, "get,list pods\nget /x"), parse(t, "get secrets a")
	created := access.Change{Verb: access.Created, Ref: role, Added: pods}
	configured := access.Change{Verb: access.Configured, Ref: role, Added: pods, Removed: secrets}
	const comes, goes = "             + get,list  pods\n             + get       /x", "             - get  secrets  a"
	few := func(prefix string, n int, below string) (lines []string) {
		for i := range n {
			lines = append(lines, fmt.Sprintf("%s Role n%02d/kubemint:bots:ci%s", prefix, i, below))
		}
		return lines
	}
	namespaces := func(n int) (all []access.Change) {
		for i := range n {
			all = append(all, access.Change{Verb: access.Created, Ref: kube.Ref{Kind: "Namespace", Name: fmt.Sprintf("n%02d", i)}})
		}
		return all
	}
	named := func(n int) (lines []string) {
		for i := range n {
			lines = append(lines, fmt.Sprintf("created    Namespace n%02d", i))
		}
		return lines
	}
	join := func(parts ...[]access.Change) (all []access.Change) {
		for _, part := range parts {
			all = append(all, part...)
		}
		return all
	}
	lastHasMore := spread(6, created)
	lastHasMore[5].Added = secrets

	for name, tt := range map[string]struct {
		changes []access.Change
		want    []string
	}{
		"nothing": {nil, nil},
		"of each kind": {
			[]access.Change{
				{Verb: access.Created, Ref: kube.Ref{Kind: "ServiceAccount", Namespace: "bots", Name: "ci"}},
				{Verb: access.Configured, Ref: kube.Ref{Kind: "ClusterRole", Name: "x"}, Added: pods, Removed: secrets, Remarks: access.Remarks{TakenFrom: []string{"helm", "kubectl"}}},
				{Verb: access.Unchanged, Ref: role},
				{Verb: access.Deleted, Ref: kube.Ref{Kind: "RoleBinding", Namespace: "shop", Name: "y"}},
			},
			[]string{
				"created    ServiceAccount bots/ci", "configured ClusterRole x (taken back from helm, kubectl)",
				"             + cluster  get,list  pods", "             + cluster  get       /x", "             - cluster  get  secrets  a",
				"deleted    RoleBinding shop/y", "unchanged  1 object",
			},
		},
		"unchanged":              {spread(700, access.Change{Verb: access.Unchanged, Ref: role}), []string{"unchanged  700 objects"}},
		"alike in 5 namespaces":  {spread(5, created), few("created   ", 5, "\n"+comes)},
		"alike in 6":             {spread(6, created), []string{"created    Role kubemint:bots:ci in 6 namespaces: n00, n01, n02, n03, n04, n05", comes}},
		"alike in more than ten": {spread(11, configured), []string{"configured Role kubemint:bots:ci in 11 namespaces: n00, n01, n02, n03, n04, n05, n06, n07, n08, n09, …", comes, goes}},
		"other rules in one": {lastHasMore, append(few("created   ", 5, "\n"+comes),
			"created    Role n05/kubemint:bots:ci", "             + get  secrets  a")},
		"other rules that go, another verb, another manager": {
			join(spread(6, created), spread(6, configured), spread(6, access.Change{Verb: access.Configured, Ref: role, Added: pods}),
				spread(6, access.Change{Verb: access.Configured, Ref: role, Added: pods, Remarks: access.Remarks{TakenFrom: []string{"helm"}}})),
			[]string{
				"created    Role kubemint:bots:ci in 6 namespaces: n00, n01, n02, n03, n04, n05", comes,
				"configured Role kubemint:bots:ci in 6 namespaces: n00, n01, n02, n03, n04, n05", comes, goes,
				"configured Role kubemint:bots:ci in 6 namespaces: n00, n01, n02, n03, n04, n05", comes,
				"configured Role kubemint:bots:ci in 6 namespaces: n00, n01, n02, n03, n04, n05 (taken back from helm)", comes,
			},
		},
		"objects of other names": {
			join(spread(3, access.Change{Verb: access.Deleted, Ref: role}), spread(3, access.Change{Verb: access.Deleted, Ref: kube.Ref{Kind: "RoleBinding", Name: role.Name}})),
			append(few("deleted   ", 3, ""), strings.Split(strings.ReplaceAll(strings.Join(few("deleted   ", 3, ""), "|"), " Role ", " RoleBinding "), "|")...),
		},
		"50 lines": {namespaces(50), named(50)},
		"51":       {namespaces(51), append(named(50), "and 1 object more; the output `changes` lists all")},
		"more, some of them alike": {
			join(namespaces(52), spread(52, created), spread(7, access.Change{Verb: access.Unchanged, Ref: role})),
			append(named(50), "and 54 objects more; the output `changes` lists all", "unchanged  7 objects"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(strings.Join(tt.want, "\n"), strings.Join(ChangeLines(access.Plan{Changes: tt.changes}), "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestShowPlanned(t *testing.T) {
	t.Parallel()
	shop := kube.Ref{Kind: "Role", Namespace: "shop", Name: "x"}
	var out bytes.Buffer
	New(&out).ShowPlanned(access.Plan{Changes: append([]access.Change{
		{Verb: access.Created, Ref: shop, Added: parse(t, "get pods")},
		{Verb: access.Configured, Ref: shop, Removed: parse(t, "get pods"), Remarks: access.Remarks{TakenFrom: []string{"eve"}}},
		{Verb: access.Deleted, Ref: shop},
		{Verb: access.Unchanged, Ref: shop},
	}, spread(6, access.Change{Verb: access.Created, Ref: kube.Ref{Kind: "RoleBinding", Name: "x"}})...)})
	want := `would create    Role shop/x
             + get  pods
would configure Role shop/x (taken back from eve)
             - get  pods
would delete    Role shop/x
would create    RoleBinding x in 6 namespaces: n00, n01, n02, n03, n04, n05
unchanged       1 object
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestSummaryNamesBothPlaces(t *testing.T) {
	t.Parallel()
	both := Summary{Access: []Access{
		{Where: CodeSpan("shop"), Rules: parse(t, "get pods")},
		{Where: "the whole cluster", Roles: []Bound{{Kind: "ClusterRole", Name: "view"}}, Rules: parse(t, "list nodes")},
	}}
	text := both.Render()
	for _, want := range []string{
		"#### What it may do in `shop`\n\n| | get |\n|---|:-:|\n| `pods` | ✓ |\n",
		"#### What it may do in the whole cluster\n\nBound: ClusterRole `view` (not readable here, so not in the table)\n\n| | list |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	both.Access = both.Access[:1]
	if text := both.Render(); !strings.Contains(text, "#### What it may do\n") {
		t.Error(text)
	}
}
