package access_test

import (
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/owner"
)

// The hash is about what is granted, to whom and where, and about nothing else.
func TestHash(t *testing.T) {
	t.Parallel()
	with := func(rules ...rbacv1.PolicyRule) func(a *config.Access) {
		return func(a *config.Access) { a.Namespaced.Rules = rules }
	}
	two := with(rule("get,list", "pods"), rule("get", "secrets", "tls"))
	of := func(marks owner.Marks, changes ...func(a *config.Access)) string {
		return access.Desire(declared(func(a *config.Access) {
			for _, change := range changes {
				change(a)
			}
		}), marks).Hash()
	}
	base := of(marks, two)
	for name, changes := range map[string][]func(a *config.Access){
		"in another order":            {with(rule("get", "secrets", "tls"), rule("list,get", "pods"))},
		"one verb a rule":             {with(rule("get", "pods"), rule("list", "pods"), rule("get", "secrets", "tls"))},
		"said twice":                  {with(rule("get,list", "pods"), rule("get", "secrets", "tls"), rule("get", "pods"))},
		"a name that is covered":      {with(rule("get,list", "pods"), rule("get", "secrets", "tls"), rule("get", "pods", "web"))},
		"namespaces in another order": {two, func(a *config.Access) { a.Namespaces = []string{"web", "shop"} }},
		"must_not":                    {two, func(a *config.Access) { a.MustNot = []rbacv1.PolicyRule{rule("get", "nodes")} }},
		"taking over":                 {two, func(a *config.Access) { a.TakeOwnership = true }},
		"an account that is there":    {two, func(a *config.Access) { a.CreateServiceAccount = false }},
		"namespaces that are made":    {two, func(a *config.Access) { a.CreateNamespace = true }},
	} {
		if got := of(marks, changes...); got != base {
			t.Errorf("%s: %s, not %s", name, got, base)
		}
	}
	if got := of(owner.Marks{Owner: "x", Job: "y", Run: "z", Commit: "c"}, two); got != base {
		t.Errorf("another run's: %s, not %s", got, base)
	}
	seen := map[string]string{base: "base"}
	for name, changes := range map[string][]func(a *config.Access){
		"one verb less":       {with(rule("get", "pods"), rule("get", "secrets", "tls"))},
		"another name":        {with(rule("get,list", "pods"), rule("get", "secrets", "tls2"))},
		"no name":             {with(rule("get,list", "pods"), rule("get", "secrets"))},
		"another resource":    {with(rule("get,list", "pods/log"), rule("get", "secrets", "tls"))},
		"every verb":          {with(rule("*", "pods"), rule("get", "secrets", "tls"))},
		"another account":     {two, func(a *config.Access) { a.ServiceAccount.Name = "cd" }},
		"another home":        {two, func(a *config.Access) { a.ServiceAccount.Namespace = "shop" }},
		"one namespace":       {two, func(a *config.Access) { a.Namespaces = []string{"shop"} }},
		"the whole cluster":   {two, toCluster},
		"for the cluster too": {two, func(a *config.Access) { a.Cluster = a.Namespaced }},
		"a role too":          {two, func(a *config.Access) { a.Namespaced.Roles = []config.Role{{Kind: "ClusterRole", Name: "edit"}} }},
		"that role alone":     {func(a *config.Access) { a.Namespaced.Roles = []config.Role{{Kind: "ClusterRole", Name: "edit"}} }},
		"a Role of that name": {func(a *config.Access) { a.Namespaced.Roles = []config.Role{{Kind: "Role", Name: "edit"}} }},
		"nothing":             {},
	} {
		got := of(marks, changes...)
		if other := seen[got]; other != "" {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[got] = name
	}
	if got := of(marks); got != access.Undeclared {
		t.Errorf("nothing declared: %s", got)
	}
	// It must never change: a run of another version would take a live credential for one of other access.
	if want := "17e021aadd94f689"; base != want {
		t.Errorf("the hash is %s, not %s", base, want)
	}
}

func TestHash_Wildcard(t *testing.T) {
	t.Parallel()
	hash := func(rules ...rbacv1.PolicyRule) string {
		return access.Desire(declared(func(a *config.Access) { a.Cluster.Rules = rules }), marks).Hash()
	}
	url := func(urls ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: urls}
	}
	for name, same := range map[string][2]string{
		"every resource": {hash(rule("get", "*")), hash(rule("get", "*"), rule("get", "pods"), rule("get", "pods/log"))},
		"every verb":     {hash(rule("*", "pods")), hash(rule("get", "pods"), rule("*", "pods"))},
		"subresources":   {hash(rule("get", "*/scale")), hash(rule("get", "deployments/scale"), rule("get", "*/scale"))},
		"URLs":           {hash(url("/metrics/*")), hash(url("/metrics/*", "/metrics/a"))},
	} {
		if same[0] != same[1] {
			t.Errorf("%s: %s and %s", name, same[0], same[1])
		}
	}
	if hash(rule("get", "*")) == hash(rule("get", "pods")) || hash(url("/a")) == hash(url("/a/*")) {
		t.Error("what is wider has the same hash")
	}
}
