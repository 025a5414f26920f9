package observe

import (
	"context"
	"strings"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
)

// ExplainNoRole returns the error for a role to bind that does not exist. It names roles that may
// have been meant, if the runner's identity may list roles.
func ExplainNoRole(ctx context.Context, api *client.Client, ref kube.Ref, namespaces []string) error {
	p := problem.Newf(problem.Rights, "bind "+ref.String(), "no such role")
	if ref.Namespace != "" {
		namespaces = []string{ref.Namespace}
	}
	if near := findNearRoles(ctx, api, ref.Name, namespaces[0]); len(near) > 0 {
		p.Hint("did you mean %s?", strings.Join(near, " or "))
	}
	return p.Hint(
		"see whether `role` is spelt right; a bare name is a ClusterRole, `role/%s` a Role of the namespace",
		ref.Name,
	)
}

// findNearRoles returns the names nearest to a role's, as the input `role` takes them.
func findNearRoles(ctx context.Context, api *client.Client, name, namespace string) (near []string) {
	for _, among := range []kube.Ref{{Kind: "ClusterRole"}, {Kind: "Role", Namespace: namespace}} {
		// an identity that may not list them gets fewer hints
		roles, _ := api.ListRecent(ctx, among.Kind, among.Namespace, nil)
		var names []string
		for _, role := range roles {
			names = append(names, role.GetName())
		}
		if found := problem.NearestWord(name, names); found != "" {
			near = append(near, strings.ToLower(among.Kind)+"/"+found)
		}
	}
	return near
}
