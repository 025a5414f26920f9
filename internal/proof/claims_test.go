package proof_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/access/naming"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/proof"
	"github.com/kubemint/kubemint/internal/rules"
)

// What an administrator holds back proves nothing; the rest of the place is proved all the same.
func TestClaims_HeldObjectProvesNothing(t *testing.T) {
	t.Parallel()
	account := types.NamespacedName{Namespace: "shop", Name: "ci"}
	view := kube.Ref{Kind: "ClusterRole", Name: "view"}
	own, bound := naming.ObjectName(account), naming.BindingName(account, "ClusterRole", "view")
	for name, tt := range map[string]struct {
		held   kube.Ref
		rules  string
		unread []string
	}{
		"nothing":               {kube.Ref{}, "get pods\nlist services", []string{"gone"}},
		"our Role":              {kube.Ref{Kind: "Role", Namespace: "shop", Name: own}, "list services", []string{"gone"}},
		"our binding":           {kube.Ref{Kind: "RoleBinding", Namespace: "shop", Name: own}, "list services", []string{"gone"}},
		"the binding of a role": {kube.Ref{Kind: "RoleBinding", Namespace: "shop", Name: bound}, "get pods", []string{"gone"}},
		"in another namespace":  {kube.Ref{Kind: "Role", Namespace: "web", Name: own}, "get pods\nlist services", []string{"gone"}},
		"one that is not there": {kube.Ref{Kind: "RoleBinding", Namespace: "shop", Name: naming.BindingName(account, "ClusterRole", "gone")}, "get pods\nlist services", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			declared := config.Access{
				ServiceAccount: account, Namespaces: []string{"shop", "web"}, Namespaced: config.Grants{
					Rules: parse(t, "get pods"),
					Roles: []config.Role{{Kind: "ClusterRole", Name: "view"}, {Kind: "ClusterRole", Name: "gone"}},
				},
			}
			c := proof.Claims{Desired: access.Desire(declared, owner.Marks{})}
			c.Observed.Named = map[kube.Ref]kube.Object{view: &rbacv1.ClusterRole{Rules: parse(t, "list services\nget /metrics")}}
			c.Plan.Changes = []access.Change{{Verb: access.Unchanged, Ref: tt.held, Remarks: access.Remarks{Held: "it differs"}}}
			claim := c.For("shop")
			if diff := cmp.Diff(rules.Format(parse(t, tt.rules)), rules.Format(claim.Rules)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.unread, claim.Unread); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Each scope is proved in its place, and what must_not forbids at cluster scope is looked for there alone.
func TestClaims_BothScopes(t *testing.T) {
	t.Parallel()
	view := kube.Ref{Kind: "ClusterRole", Name: "view"}
	declared := config.Access{
		ServiceAccount: types.NamespacedName{Namespace: "bots", Name: "ci"}, Namespaces: []string{"shop"},
		Namespaced: config.Grants{
			Rules: parse(t, "get pods"),
			Roles: []config.Role{{Kind: "ClusterRole", Name: "view"}, {Kind: "Role", Name: "x"}},
		},
		Cluster: config.Grants{
			Rules: parse(t, "get /healthz\nlist nodes"),
			Roles: []config.Role{{Kind: "ClusterRole", Name: "gone"}},
		},
		MustNot:        parse(t, "get /logs\ncreate pods"),
		ClusterMustNot: parse(t, "list secrets"),
	}
	c := proof.Claims{Desired: access.Desire(declared, owner.Marks{})}
	c.Observed.Named = map[kube.Ref]kube.Object{view: &rbacv1.ClusterRole{Rules: parse(t, "list services\nget /metrics")}}
	for place, want := range map[string]struct {
		namespace, rules, mustNot string
		unread                    []string
	}{
		"shop": {"shop", "get pods\nlist services", "create pods", []string{"x"}},
		"":     {"-", "get /healthz\nlist nodes", "get /logs\ncreate pods\nlist secrets", []string{"gone"}},
	} {
		claim := c.For(place)
		if claim.Namespace != want.namespace {
			t.Errorf("%q is asked for in %q", place, claim.Namespace)
		}
		if diff := cmp.Diff(rules.Format(parse(t, want.rules)), rules.Format(claim.Rules)); diff != "" {
			t.Errorf("%q: %s", place, diff)
		}
		if diff := cmp.Diff(rules.Format(parse(t, want.mustNot)), rules.Format(claim.MustNot)); diff != "" {
			t.Errorf("%q: %s", place, diff)
		}
		if diff := cmp.Diff(want.unread, claim.Unread); diff != "" {
			t.Errorf("%q: %s", place, diff)
		}
	}
}
