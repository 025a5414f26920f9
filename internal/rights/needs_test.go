package rights_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/rights"
	"github.com/kubemint/kubemint/internal/rules"
)

// needed is LeastRights in the shorthand, by place.
func needed(declared config.Access, asked config.Token, steady bool) map[string][]string {
	places := map[string][]string{}
	for _, need := range rights.LeastRights(access.Desire(declared, owner.Marks{}), asked, config.Expect{}, steady) {
		places[need.Namespace] = nil
		for _, line := range rules.Format(need.Rules) { // without its columns
			places[need.Namespace] = append(places[need.Namespace], strings.Join(strings.Fields(line), " "))
		}
	}
	return places
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	listPods := rbacv1.PolicyRule{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"pods"}}
	makeAny := rbacv1.PolicyRule{Verbs: []string{"create"}, APIGroups: []string{""}, Resources: []string{"secrets", "configmaps"}}
	getAccounts := rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"serviceaccounts"}}
	declared := config.Access{
		Namespaces: []string{"shop", "bots"}, ServiceAccount: types.NamespacedName{Namespace: "bots", Name: "ci"}, Provisioning: config.Provisioning{CreateServiceAccount: true},
	}
	hour := config.Token{Lifetime: config.Lifetime{Duration: time.Hour}, Revoke: true}
	permanent := config.Token{Lifetime: config.Lifetime{Permanent: true}, Revoke: true}
	with := func(change func(*config.Access)) config.Access {
		changed := declared
		change(&changed)
		return changed
	}
	granting := with(func(a *config.Access) {
		a.Namespaced.Rules = []rbacv1.PolicyRule{listPods}
		a.Namespaced.Roles = []config.Role{{Kind: "ClusterRole", Name: "edit"}, {Kind: "Role", Name: "x"}}
	})
	for name, tt := range map[string]struct {
		declared config.Access
		asked    config.Token
		steady   bool
		want     map[string][]string
	}{
		"first run": {granting, hour, false, map[string][]string{
			"": {"get clusterroles.rbac.authorization.k8s.io edit"},
			"bots": {
				"list pods",
				"create secrets",
				"get,create,patch serviceaccounts ci",
				"create serviceaccounts/token ci",
				"list,create,delete leases.coordination.k8s.io",
				"get,patch leases.coordination.k8s.io kubemint-ci",
				"bind clusterroles.rbac.authorization.k8s.io edit",
				"get,create,patch rolebindings.rbac.authorization.k8s.io kubemint:bots:ci,kubemint:bots:ci:clusterrole:edit,kubemint:bots:ci:role:x",
				"get,create,patch roles.rbac.authorization.k8s.io kubemint:bots:ci",
				"get,bind roles.rbac.authorization.k8s.io x",
			},
			"shop": {
				"list pods",
				"bind clusterroles.rbac.authorization.k8s.io edit",
				"get,create,patch rolebindings.rbac.authorization.k8s.io kubemint:bots:ci,kubemint:bots:ci:clusterrole:edit,kubemint:bots:ci:role:x",
				"get,create,patch roles.rbac.authorization.k8s.io kubemint:bots:ci",
				"get,bind roles.rbac.authorization.k8s.io x",
			},
		}},
		"steady: the cluster's place is emptied": {granting, hour, true, map[string][]string{
			"": nil,
			"bots": {
				"create secrets",
				"get serviceaccounts ci",
				"create serviceaccounts/token ci",
				"create,delete leases.coordination.k8s.io",
				"get leases.coordination.k8s.io kubemint-ci",
				"get rolebindings.rbac.authorization.k8s.io kubemint:bots:ci,kubemint:bots:ci:clusterrole:edit,kubemint:bots:ci:role:x",
				"get roles.rbac.authorization.k8s.io kubemint:bots:ci",
			},
			"shop": {
				"get rolebindings.rbac.authorization.k8s.io kubemint:bots:ci,kubemint:bots:ci:clusterrole:edit,kubemint:bots:ci:role:x",
				"get roles.rbac.authorization.k8s.io kubemint:bots:ci",
			},
		}},
		"nothing declared, no lease, an account that exists": {
			with(func(a *config.Access) { a.CreateServiceAccount = false }),
			config.Token{Lifetime: config.Lifetime{Duration: time.Hour}},
			false,
			map[string][]string{"bots": {"get serviceaccounts ci", "create serviceaccounts/token ci", "get leases.coordination.k8s.io kubemint-ci"}},
		},
		"cluster: what it grants everywhere is not repeated in the namespace": {
			with(func(a *config.Access) { a.Cluster.Rules = []rbacv1.PolicyRule{makeAny} }), hour, false,
			map[string][]string{
				"": {
					"create configmaps,secrets",
					"get,create,patch clusterrolebindings.rbac.authorization.k8s.io,clusterroles.rbac.authorization.k8s.io kubemint:bots:ci",
				},
				"bots": {
					"get,create,patch serviceaccounts ci",
					"create serviceaccounts/token ci",
					"list,create,delete leases.coordination.k8s.io",
					"get,patch leases.coordination.k8s.io kubemint-ci",
				},
			},
		},
		"both scopes: each has its rights": {
			with(func(a *config.Access) {
				a.Namespaces = []string{"shop"}
				a.Namespaced = config.Grants{Rules: []rbacv1.PolicyRule{listPods}, Roles: []config.Role{{Kind: "ClusterRole", Name: "edit"}}}
				a.Cluster = config.Grants{Rules: []rbacv1.PolicyRule{getAccounts}, Roles: []config.Role{{Kind: "ClusterRole", Name: "view"}}}
			}), hour, false,
			map[string][]string{
				"": {
					"get serviceaccounts",
					"get,create,patch clusterrolebindings.rbac.authorization.k8s.io kubemint:bots:ci,kubemint:bots:ci:clusterrole:view",
					"get clusterroles.rbac.authorization.k8s.io edit",
					"get,create,patch clusterroles.rbac.authorization.k8s.io kubemint:bots:ci",
					"get,bind clusterroles.rbac.authorization.k8s.io view",
				},
				"bots": {
					"create secrets",
					"create,patch serviceaccounts ci",
					"create serviceaccounts/token ci",
					"list,create,delete leases.coordination.k8s.io",
					"get,patch leases.coordination.k8s.io kubemint-ci",
				},
				"shop": {
					"list pods",
					"bind clusterroles.rbac.authorization.k8s.io edit",
					"get,create,patch rolebindings.rbac.authorization.k8s.io kubemint:bots:ci,kubemint:bots:ci:clusterrole:edit",
					"get,create,patch roles.rbac.authorization.k8s.io kubemint:bots:ci",
				},
			},
		},
		"the same role at both: bind at the cluster scope is enough": {
			with(func(a *config.Access) {
				a.Namespaces = []string{"shop"}
				a.Namespaced.Roles = []config.Role{{Kind: "ClusterRole", Name: "edit"}}
				a.Cluster.Roles = a.Namespaced.Roles
			}), hour, false,
			map[string][]string{
				"": {
					"get,create,patch clusterrolebindings.rbac.authorization.k8s.io kubemint:bots:ci:clusterrole:edit",
					"get,bind clusterroles.rbac.authorization.k8s.io edit",
				},
				"bots": {
					"create secrets",
					"get,create,patch serviceaccounts ci",
					"create serviceaccounts/token ci",
					"list,create,delete leases.coordination.k8s.io",
					"get,patch leases.coordination.k8s.io kubemint-ci",
				},
				"shop": {"get,create,patch rolebindings.rbac.authorization.k8s.io kubemint:bots:ci:clusterrole:edit"},
			},
		},
		"namespaces to be made": {
			with(func(a *config.Access) { a.CreateNamespace = true }), hour, false,
			map[string][]string{"": {
				"get,create,patch namespaces bots,shop",
				"create secrets",
				"get,create,patch serviceaccounts ci",
				"create serviceaccounts/token ci",
				"create,delete leases.coordination.k8s.io",
				"get,patch leases.coordination.k8s.io kubemint-ci",
			}},
		},
		"namespaces that were made": {
			with(func(a *config.Access) { a.CreateNamespace = true }), hour, true,
			map[string][]string{
				"": nil,
				"bots": {
					"get namespaces bots",
					"create secrets",
					"get serviceaccounts ci",
					"create serviceaccounts/token ci",
					"create,delete leases.coordination.k8s.io",
					"get leases.coordination.k8s.io kubemint-ci",
				},
				"shop": {"get namespaces shop"},
			},
		},
		"ephemeral": {
			with(func(a *config.Access) {
				a.Ephemeral, a.Namespaces, a.Namespaced.Rules = true, []string{"shop"}, []rbacv1.PolicyRule{listPods}
			}), hour, false,
			map[string][]string{
				"bots": {
					"create secrets,serviceaccounts/token",
					"get,create,patch,delete serviceaccounts",
					"create,delete leases.coordination.k8s.io",
				},
				"shop": {
					"list pods",
					"get,create,patch,delete rolebindings.rbac.authorization.k8s.io,roles.rbac.authorization.k8s.io",
				},
			},
		},
		"ephemeral, with a Role to bind among those that it may read": {
			with(func(a *config.Access) {
				a.Ephemeral, a.Namespaces, a.Namespaced.Rules, a.Namespaced.Roles = true, []string{"shop"}, []rbacv1.PolicyRule{listPods}, []config.Role{{Kind: "Role", Name: "x"}}
			}), hour, false,
			map[string][]string{
				"bots": {
					"create secrets,serviceaccounts/token",
					"get,create,patch,delete serviceaccounts",
					"create,delete leases.coordination.k8s.io",
				},
				"shop": {
					"list pods",
					"get,create,patch,delete rolebindings.rbac.authorization.k8s.io,roles.rbac.authorization.k8s.io",
					"bind roles.rbac.authorization.k8s.io x",
				},
			},
		},
		"permanent": {declared, permanent, false, map[string][]string{"bots": {
			"get,create,patch,delete secrets kubemint-token-ci",
			"get,create,patch serviceaccounts ci",
			"get,create,patch leases.coordination.k8s.io kubemint-ci",
		}}},
		"permanent, steady": {declared, permanent, true, map[string][]string{"bots": {
			"get secrets kubemint-token-ci",
			"get serviceaccounts ci",
			"get leases.coordination.k8s.io kubemint-ci",
		}}},
		// A right that the pipeline itself declares is listed once, and vice versa.
		"overlap": {
			with(func(a *config.Access) {
				a.Namespaces = []string{"bots"}
				a.Namespaced.Rules = []rbacv1.PolicyRule{makeAny, getAccounts, {
					Verbs: []string{"delete"}, APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{"some"},
				}}
			}), hour, false,
			map[string][]string{"bots": {
				"create configmaps,secrets",
				"get serviceaccounts",
				"create,patch serviceaccounts ci",
				"create serviceaccounts/token ci",
				"list,create,delete leases.coordination.k8s.io",
				"get,patch leases.coordination.k8s.io kubemint-ci",
				"get,create,patch rolebindings.rbac.authorization.k8s.io,roles.rbac.authorization.k8s.io kubemint:bots:ci",
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, needed(tt.declared, tt.asked, tt.steady)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
