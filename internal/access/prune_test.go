package access_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
)

// before returns what an earlier run made in shop and web, for rules and for a role. change alters the objects
// in shop.
func before(change func(o kube.Object)) []kube.Object {
	earlier := access.Desire(declared(func(a *config.Access) { withRules(a); a.Namespaced.Roles = []config.Role{role} }), marks)
	return cluster(earlier, func(o kube.Object) kube.Object {
		if o.GetNamespace() == "shop" {
			change(o)
		}
		return o
	}).Leftovers
}

func TestPrune(t *testing.T) {
	t.Parallel()
	const inShop, inWeb = "deleted Role shop/kubemint:bots:ci, delete uid-of-kubemint:bots:ci, - get,list pods", "deleted Role web/kubemint:bots:ci, delete uid-of-kubemint:bots:ci, - get,list pods"
	bindings := func(namespace string) []string {
		return []string{
			"deleted RoleBinding " + namespace + "/kubemint:bots:ci, delete uid-of-kubemint:bots:ci",
			"deleted RoleBinding " + namespace + "/kubemint:bots:ci:clusterrole:edit, delete uid-of-kubemint:bots:ci:clusterrole:edit",
		}
	}
	shop, web := append([]string{inShop}, bindings("shop")...), append([]string{inWeb}, bindings("web")...)
	all := append(append([]string{}, shop...), web...)
	in := func(namespaces ...string) func(a *config.Access) {
		return func(a *config.Access) {
			withRules(a)
			a.Namespaces = namespaces
			a.Namespaced.Roles = []config.Role{role}
		}
	}
	for name, tt := range map[string]struct {
		declared func(a *config.Access)
		change   func(o kube.Object)
		want     []string
		left     int // refused
		warned   int
	}{
		"all is declared":              {in("web", "shop"), annotate(), nil, 0, 0},
		"a namespace is not":           {in("web"), annotate(), shop, 0, 0},
		"no namespace is":              {in("bots"), annotate(), all, 0, 0},
		"a role is not":                {func(a *config.Access) { withRules(a) }, annotate(), []string{shop[2], web[2]}, 0, 0},
		"the rules are not":            {func(a *config.Access) { a.Namespaced.Roles = []config.Role{role} }, annotate(), []string{shop[0], shop[1], web[0], web[1]}, 0, 0},
		"at the cluster scope instead": {func(a *config.Access) { withRules(a); toCluster(a) }, annotate(), all, 0, 0},
		"another owner's":              {in("bots"), annotate("kubemint/owner", "github:acme/web"), web, 3, 0},
		"another job's":                {in("bots"), annotate("kubemint/job", "test"), all, 0, 0},
		"another run's":                {in("bots"), annotate("kubemint/run", "16", "kubemint/commit", "0ld"), all, 0, 0},
		"another ServiceAccount's":     {in("bots"), func(o kube.Object) { o.GetLabels()["kubemint/service-account"] = "bots.cd" }, web, 3, 0},
		"nobody's":                     {in("bots"), func(o kube.Object) { o.SetLabels(nil) }, web, 3, 0},
		"of this run alone":            {in("bots"), annotate("kubemint/expires-at", "2020-01-01T00:00:00Z"), web, 0, 0},
		"held":                         {in("bots"), annotate(rbacv1.AutoUpdateAnnotationKey, "false"), web, 0, 3},
		"declared, and another owner's": {
			in("web", "shop"), annotate("kubemint/owner", "github:acme/web"), nil, 0, 0,
		},
		"another owner's, taken over": {
			func(a *config.Access) { in("bots")(a); a.TakeOwnership = true }, annotate("kubemint/owner", "github:acme/web"), all, 0, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan, err := access.Prune(access.Desire(declared(tt.declared), marks), before(tt.change))
			if diff := cmp.Diff(tt.want, steps(plan)); diff != "" {
				t.Error(diff)
			}
			if left := refusals(t, err); len(left) != tt.left || len(plan.Warnings) != tt.warned {
				t.Errorf("left %q, warned %q", left, plan.Warnings)
			}
		})
	}
}

// Access in namespaces that are not declared is named, and not touched; what prune would leave is not named.
func TestDiff_AccessElsewhere(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(o kube.Object)
		want   []string
	}{
		"ours": {annotate(), []string{
			"not declared by this run, and left, in other namespaces: Role shop/kubemint:bots:ci, RoleBinding shop/kubemint:bots:ci, " +
				"RoleBinding shop/kubemint:bots:ci:clusterrole:edit and 3 more: `kubemint prune` deletes them",
		}},
		"another owner's": {annotate("kubemint/owner", "github:acme/web"), []string{
			"not declared by this run, and left, in other namespaces: Role web/kubemint:bots:ci, RoleBinding web/kubemint:bots:ci, " +
				"RoleBinding web/kubemint:bots:ci:clusterrole:edit: `kubemint prune` deletes them",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := access.Desire(inBots(withRules), marks)
			observed := cluster(d, asWanted)
			observed.Elsewhere = before(tt.change)
			plan, err := access.Diff(d, observed)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, plan.Warnings); diff != "" {
				t.Error(diff)
			}
			for _, change := range plan.Changes {
				if change.Verb != access.Unchanged {
					t.Errorf("%s %s", change.Verb, change.Ref)
				}
			}
		})
	}
}
