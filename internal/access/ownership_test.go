package access_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
)

// Whose object is it, and what would the change do to it? Every case for a Role of our name, and for one that is left
// over; take_ownership overrides each refusal.
func TestOwnership(t *testing.T) {
	t.Parallel()
	const (
		other   = "it belongs to github:acme/web, and this run to github:acme/shop"
		nobody  = "it has no owner; this run's owner is github:acme/shop"
		foreign = "it exists and was not made by kubemint"
	)
	less, more := grants(getPods), grants(getPods, listPods, rule("get", "secrets"))
	unlabelled := func(o kube.Object) { o.SetLabels(nil) }
	for name, tt := range map[string]struct {
		mark, change func(kube.Object)
		apply, prune string // the cause of the refusal, "" if nothing is refused
	}{
		"same job, adding":                {annotate(), less, "", ""},
		"same job, removing":              {annotate(), more, "", ""},
		"another job, the same":           {annotate("kubemint/job", "test"), annotate(), "", ""},
		"another job, adding":             {annotate("kubemint/job", "test"), less, "", ""},
		"another job, removing":           {annotate("kubemint/job", "test"), more, "", ""},
		"another owner, the same":         {annotate("kubemint/owner", "github:acme/web"), annotate(), other, other},
		"another owner, adding":           {annotate("kubemint/owner", "github:acme/web"), less, other, other},
		"another owner and job, removing": {annotate("kubemint/owner", "github:acme/web", "kubemint/job", "test"), more, other, other},
		"nobody's":                        {annotate("kubemint/owner", ""), annotate(), nobody, nobody},
		"unlabelled, the same":            {unlabelled, annotate(), foreign, foreign},
		"unlabelled, adding":              {unlabelled, less, foreign, foreign},
		"unlabelled, with our owner's":    {unlabelled, more, foreign, foreign},
		"another ServiceAccount's label":  {func(o kube.Object) { o.GetLabels()["kubemint/service-account"] = "bots.cd" }, annotate(), foreign, foreign},
	} {
		for _, take := range []bool{false, true} {
			taking := func(a *config.Access) { a.TakeOwnership = take }
			wanted := access.Desire(inBots(func(a *config.Access) { withRules(a); taking(a) }), marks)
			observed := cluster(wanted, edit("Role", func(o kube.Object) { tt.mark(o); tt.change(o) }))
			for _, try := range []struct {
				verb, cause string
				desired     access.Desired
			}{{"apply", tt.apply, wanted}, {"delete", tt.prune, access.Desire(inBots(taking), marks)}} {
				t.Run(fmt.Sprintf("%s/%s/take_ownership=%t", name, try.verb, take), func(t *testing.T) {
					t.Parallel()
					_, err := access.Diff(try.desired, observed)
					var want []string
					if try.cause != "" && !take {
						want = []string{try.verb + " Role bots/kubemint:bots:ci: " + try.cause}
					}
					if diff := cmp.Diff(want, refusals(t, err)); diff != "" {
						t.Error(diff)
					}
				})
			}
		}
	}
}

func TestNobodyMatchesNobodyAlone(t *testing.T) {
	t.Parallel()
	nobody := access.Desire(inBots(withRules), owner.Marks{})
	if _, err := access.Diff(nobody, cluster(nobody, asWanted)); err != nil {
		t.Error(err)
	}
	d := access.Desire(inBots(func(*config.Access) {}), marks)
	_, err := access.Diff(access.Desire(inBots(func(*config.Access) {}), owner.Marks{}), cluster(d, asWanted))
	want := []string{"apply ServiceAccount bots/ci: it belongs to github:acme/shop, and this run has no owner"}
	if diff := cmp.Diff(want, refusals(t, err)); diff != "" {
		t.Error(diff)
	}
}

// Taking over writes, so that the marks are ours afterwards.
func TestTakenOverObjectsGetOurMarks(t *testing.T) {
	t.Parallel()
	d := access.Desire(inBots(func(a *config.Access) { withRules(a); a.TakeOwnership = true }), marks)
	plan, err := access.Diff(d, cluster(d, edit("Role", annotate("kubemint/owner", "github:acme/web"))))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := steps(plan)[1], "configured Role bots/kubemint:bots:ci, apply at 7 by force"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := plan.Changes[1].Apply.GetAnnotations()["kubemint/owner"]; got != "github:acme/shop" {
		t.Errorf("the owner applied is %q", got)
	}
}

func TestRefusals_AllReported(t *testing.T) {
	t.Parallel()
	d := access.Desire(declared(func(a *config.Access) { withRules(a); a.CreateServiceAccount, a.ServiceAccount.Name = false, "default" }), marks)
	observed := cluster(d, func(o kube.Object) kube.Object {
		if kube.RefOf(o).Kind == "ServiceAccount" {
			return nil
		}
		o.SetLabels(nil)
		return o
	})
	gone := copyOf(&rbacv1.Role{})
	gone.GetObjectKind().SetGroupVersionKind(rbacv1.SchemeGroupVersion.WithKind("Role"))
	gone.SetNamespace("shop")
	gone.SetName("old")
	observed.Leftovers = []kube.Object{gone}
	plan, err := access.Diff(d, observed)
	want := []string{
		"use ServiceAccount bots/default: it does not exist",
		"apply Role shop/kubemint:bots:default: it exists and was not made by kubemint",
		"apply RoleBinding shop/kubemint:bots:default: it exists and was not made by kubemint",
		"apply Role web/kubemint:bots:default: it exists and was not made by kubemint",
		"apply RoleBinding web/kubemint:bots:default: it exists and was not made by kubemint",
		"delete Role shop/old: it exists and was not made by kubemint",
		"grant to ServiceAccount bots/default: every pod of namespace bots that names no other ServiceAccount would gain the access",
	}
	if diff := cmp.Diff(want, refusals(t, err)); diff != "" {
		t.Error(diff)
	}
	if got := steps(plan); len(got) > 0 {
		t.Errorf("refused, and planned all the same: %q", got)
	}
}

func TestRefuse_DefaultServiceAccount(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		declared func(a *config.Access)
		refused  bool
	}{
		"rules":                   {withRules, true},
		"a role":                  {func(a *config.Access) { a.Namespaced.Roles = []config.Role{role} }, true},
		"no grant: only a token":  {func(*config.Access) {}, false},
		"rules, with its consent": {func(a *config.Access) { withRules(a); a.TakeOwnership = true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := access.Desire(inBots(func(a *config.Access) { a.ServiceAccount.Name = "default"; tt.declared(a) }), marks)
			if _, err := access.Diff(d, cluster(d, asWanted)); (err != nil) != tt.refused {
				t.Errorf("refusal: %v", err)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	const pods = "anyone allowed to create pods in namespace bots can act as ServiceAccount bots/ci, whose rights reach "
	const keep = ": keep other workloads out of that namespace"
	const unset = "neither `rules` nor `role` is set (an empty value counts as unset): no access is declared, " +
		"and the credential can do whatever ServiceAccount bots/ci can do already, from earlier runs or from others: " +
		"set one of them, or see whether the variable behind it is set"
	in := func(namespaces ...string) func(a *config.Access) {
		return func(a *config.Access) { withRules(a); a.Namespaces = namespaces }
	}
	foreign := edit("ServiceAccount", func(o kube.Object) { o.SetLabels(nil) })
	for name, tt := range map[string]struct {
		declared func(a *config.Access)
		observed func(kube.Object) kube.Object
		want     []string
	}{
		"in its own namespace":        {in("bots"), asWanted, nil},
		"in one more":                 {in("bots", "shop"), asWanted, []string{pods + "shop" + keep}},
		"in others":                   {in("a", "b", "c"), asWanted, []string{pods + "a, b, c" + keep}},
		"in many others":              {in("a", "b", "c", "bots", "d"), asWanted, []string{pods + "4 other namespaces" + keep}},
		"in the whole cluster":        {func(a *config.Access) { in("bots")(a); toCluster(a) }, asWanted, []string{pods + "the whole cluster" + keep}},
		"no grant":                    {func(*config.Access) {}, foreign, []string{unset}},
		"no grant, a new account":     {func(*config.Access) {}, nothing, []string{unset}},
		"a role alone":                {func(a *config.Access) { in("bots")(a); a.Namespaced = config.Grants{Roles: []config.Role{role}} }, asWanted, nil},
		"rules for the cluster alone": {func(a *config.Access) { in("a")(a); toCluster(a) }, asWanted, []string{pods + "the whole cluster" + keep}},
		"both scopes": {func(a *config.Access) {
			in("bots")(a)
			a.Cluster.Rules = []rbacv1.PolicyRule{rule("create", "configmaps", "x")}
		}, asWanted, []string{
			"create configmaps x: with names this grants creation by server-side apply, with patch, and refuses an ordinary create (POST): " +
				"leave the names out to allow that",
			pods + "the whole cluster" + keep,
		}},
		"to somebody else's":              {in("bots"), foreign, []string{"ServiceAccount bots/ci was not made by kubemint: whatever else runs as it gains the declared access too"}},
		"to one that is yet to be made":   {in("bots"), nothing, nil},
		"of what is held at its owner's":  {in("bots"), edit("Role", func(o kube.Object) { grants()(o); annotate(rbacv1.AutoUpdateAnnotationKey, "false")(o) }), []string{"Role bots/kubemint:bots:ci differs from what is declared and is left so, unproven: its annotation rbac.authorization.kubernetes.io/autoupdate is false; + get,list  pods"}},
		"to somebody else's in one other": {in("shop"), foreign, []string{"ServiceAccount bots/ci was not made by kubemint: whatever else runs as it gains the declared access too", pods + "shop" + keep}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := access.Desire(declared(tt.declared), marks)
			plan, err := access.Diff(d, cluster(d, tt.observed))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, plan.Warnings); diff != "" {
				t.Error(diff)
			}
		})
	}
}
