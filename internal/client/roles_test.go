package client_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client/observe"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/parallel"
)

// A role to bind that is missing is told with the roles that may have been meant, of either kind.
func TestExplainNoRole_NamesNeighbours(t *testing.T) {
	t.Parallel()
	spelt := func(name string) string {
		return "see whether `role` is spelt right; a bare name is a ClusterRole, `role/" + name + "` a Role of the namespace"
	}
	clusterRoles, shop := rbac+"clusterroles", rbac+"namespaces/shop/roles"
	there := map[string]any{
		clusterRoles: list(named("", "edit"), named("", "view"), named("", "deploy")), shop: list(named("shop", "deployer"), named("shop", "edti")),
	}
	for name, tt := range map[string]struct {
		paths map[string]any
		role  config.Role
		want  string
	}{
		"a ClusterRole":            {there, config.Role{Kind: "ClusterRole", Name: "veiw"}, "bind ClusterRole veiw: no such role; did you mean clusterrole/view?; " + spelt("veiw")},
		"of either kind":           {there, config.Role{Kind: "ClusterRole", Name: "deploye"}, "bind ClusterRole deploye: no such role; did you mean clusterrole/deploy or role/deployer?; " + spelt("deploye")},
		"a Role, and not its kind": {there, config.Role{Kind: "Role", Name: "view"}, "bind Role shop/view: no such role; did you mean clusterrole/view?; " + spelt("view")},
		"nothing near":             {there, config.Role{Kind: "ClusterRole", Name: "karpor-admin"}, "bind ClusterRole karpor-admin: no such role; " + spelt("karpor-admin")},
		"Roles may not be listed":  {map[string]any{clusterRoles: there[clusterRoles], shop: http.StatusForbidden}, config.Role{Kind: "Role", Name: "edti"}, "bind Role shop/edti: no such role; did you mean clusterrole/edit?; " + spelt("edti")},
		"nothing may be listed":    {map[string]any{clusterRoles: http.StatusForbidden, shop: http.StatusForbidden}, config.Role{Kind: "Role", Name: "edti"}, "bind Role shop/edti: no such role; " + spelt("edti")},
		"a Role of the same name":  {there, config.Role{Kind: "ClusterRole", Name: "deployer"}, "bind ClusterRole deployer: no such role; did you mean clusterrole/deploy or role/deployer?; " + spelt("deployer")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := holding(t, tt.paths)
			desired := access.Desire(config.Access{
				ServiceAccount: types.NamespacedName{Namespace: "bots", Name: "ci"}, Namespaces: []string{"shop"}, Namespaced: config.Grants{Roles: []config.Role{tt.role}},
			}, owner.Marks{})
			_, _, err := observe.ReadState(t.Context(), connect(t, s.config()), desired, true, parallel.Each)
			if diff := cmp.Diff("exit 4: "+tt.want, explained(t, err)); diff != "" {
				t.Error(diff)
			}
			// A suggestion is not worth a consistent list, and is not one of leftovers.
			for _, request := range []string{"GET " + clusterRoles + "?resourceVersion=0", "GET " + shop + "?resourceVersion=0"} {
				if !slices.Contains(s.asked(), request) {
					t.Errorf("%s was not asked: %q", request, s.asked())
				}
			}
		})
	}
}
