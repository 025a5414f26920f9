package client

import (
	"context"
	"strings"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
)

// noRole says that a role to bind does not exist, and which of those that do may have been meant, where the runner's
// identity may list them.
func (c *Client) noRole(ctx context.Context, ref kube.Ref, namespaces []string) error {
	p := problem.Newf(problem.Rights, "bind "+ref.String(), "there is no such role")
	if ref.Namespace != "" {
		namespaces = []string{ref.Namespace}
	}
	if near := c.nearRoles(ctx, ref.Name, namespaces[0]); len(near) > 0 {
		p.Hint("did you mean %s?", strings.Join(near, " or "))
	}
	return p.Hint("see whether `role` is spelt right; a bare name is a ClusterRole, `role/%s` a Role of the namespace", ref.Name)
}

// nearRoles are the names next to a role's, as the input `role` has them.
func (c *Client) nearRoles(ctx context.Context, name, namespace string) (near []string) {
	for _, among := range []kube.Ref{{Kind: "ClusterRole"}, {Kind: "Role", Namespace: namespace}} {
		roles, _ := c.list(ctx, among.Kind, among.Namespace, nil, true) // who may not list them is told less
		var names []string
		for _, role := range roles {
			names = append(names, role.GetName())
		}
		if found := problem.Nearest(name, names); found != "" {
			near = append(near, strings.ToLower(among.Kind)+"/"+found)
		}
	}
	return near
}
