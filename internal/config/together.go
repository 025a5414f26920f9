package config

import (
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/rules"
)

// combine refuses inputs that contradict each other: neither of them may be ignored.
func (c *checker) combine(cfg *Config) {
	c.checkCredential(cfg.Source)
	permanent := cfg.Token.Lifetime.Permanent
	if permanent && len(cfg.Token.Audiences) > 0 {
		c.addFault("audiences", "", "a permanent token has the API server's own audience and no other",
			"leave `audiences` out, or give a lifetime")
	}
	if !cfg.Access.Ephemeral {
		return
	}
	if permanent {
		c.addFault("ephemeral", "", "an ephemeral identity cannot have a permanent token",
			"give `duration` a lifetime")
	}
	if !cfg.Token.Revoke {
		c.addFault("ephemeral", "", "an ephemeral identity is deleted at revoke, and `revoke` is false",
			"leave one of the two out")
	}
	if !cfg.Access.CreateServiceAccount {
		c.addFault("ephemeral", "",
			"an ephemeral identity is made by the run, and `create_service_account` is false",
			"leave one of the two out")
	}
}

// checkCredential refuses two credentials, and one for a server that is not given.
func (c *checker) checkCredential(source Source) {
	for _, input := range []struct{ name, value string }{
		{"bearer_token", source.BearerToken}, {"oidc_audience", source.OIDCAudience},
	} {
		if input.value == "" {
			continue
		}
		if source.Server == "" {
			c.addFault(input.name, "", "it is the credential for `server`, which is not given",
				"give `server` and its `certificate_authority`, or leave it out")
		}
		if strings.TrimSpace(source.Kubeconfig) != "" {
			c.addFault(input.name, "", "`kubeconfig` is a credential as well", "leave one of the two out")
		}
		if source.Context != "" {
			c.addFault("context", source.Context,
				"belongs to a kubeconfig, and `"+input.name+"` takes its place", "leave it out")
		}
	}
	if source.BearerToken != "" && source.OIDCAudience != "" {
		c.addFault("oidc_audience", "", "it requests a token, and `bearer_token` is one already",
			"leave one of the two out")
	}
}

// completeAccess puts every grant into the namespaces or at cluster scope: role, rules and scope
// decide it together.
func (c *checker) completeAccess(d *draft) {
	namespaced := &d.Access.Namespaced
	cluster := &d.Access.Cluster
	if d.clusterScope {
		cluster.Rules = slices.Concat(namespaced.Rules, cluster.Rules)
		namespaced.Rules = nil
	} else if len(rules.InNamespace(namespaced.Rules)) < len(namespaced.Rules) {
		c.addFault("rules", "", "a non-resource URL cannot be granted in a namespace",
			"begin the rule with the word `cluster`, as in cluster get /healthz; or set `scope: cluster`")
	}
	for _, role := range d.roles {
		switch {
		case role.Kind == "Role" && role.atCluster:
			c.addFault("role", role.word, "lies in a namespace and cannot be bound at cluster scope",
				"name a ClusterRole, or leave `cluster:` out")
		case role.Kind == "Role" && d.clusterScope:
			c.addFault("role", role.word, "lies in a namespace and cannot be bound with scope cluster",
				"name a ClusterRole, or leave `scope` out")
		case role.atCluster || d.clusterScope:
			cluster.bind(role.Role)
		default:
			namespaced.bind(role.Role)
		}
	}
}

func (g *Grants) bind(role Role) {
	if !slices.Contains(g.Roles, role) {
		g.Roles = append(g.Roles, role)
	}
}
