package config

import (
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// grants reads what is granted in the namespaces and what is granted at cluster scope.
func (c *checker) grants(raw *accessInputs) (namespaced, cluster Grants) {
	everywhere := c.second("scope", raw.Scope, "namespace", "cluster")
	declared := c.rules("rules", raw.Rules)
	namespaced.Rules = declared.Rules
	cluster.Rules = declared.Cluster
	if everywhere {
		namespaced.Rules = nil
		cluster.Rules = declared.All()
	} else if rules.NonResource(namespaced.Rules) {
		c.fault("rules", "", "a non-resource URL cannot be granted in a namespace",
			"begin the rule with the word `cluster`, as in cluster get /healthz; or set `scope: cluster`")
	}
	for _, word := range words(raw.Role) {
		named, atCluster := strings.CutPrefix(word, clusterPrefix)
		role, ok := c.role(word, named)
		switch {
		case !ok:
		case role.Kind == "Role" && atCluster:
			c.fault("role", word, "lies in a namespace and cannot be bound at cluster scope", "name a ClusterRole, or leave `cluster:` out")
		case role.Kind == "Role" && everywhere:
			c.fault("role", word, "lies in a namespace and cannot be bound with scope cluster", "name a ClusterRole, or leave `scope` out")
		case atCluster || everywhere:
			cluster.bind(role)
		default:
			namespaced.bind(role)
		}
	}
	return namespaced, cluster
}

// clusterPrefix before a role binds it at cluster scope.
const clusterPrefix = "cluster:"

// role reads the name of a role as it was written, and without the prefix.
func (c *checker) role(word, named string) (role Role, ok bool) {
	const forms = "write `edit`, `clusterrole/NAME` or `role/NAME`; `cluster:` before a ClusterRole binds it at cluster scope"
	kind, name, qualified := strings.Cut(named, "/")
	role = Role{Kind: "ClusterRole", Name: name}
	switch {
	case !qualified:
		role.Name = kind
	case strings.EqualFold(kind, "role"):
		role.Kind = "Role"
	case !strings.EqualFold(kind, "clusterrole"):
		c.fault("role", word, "is not a role", forms)
		return role, false
	}
	switch {
	case word == "cluster" || word == clusterPrefix:
		c.fault("role", word, "is not a role by itself: the word and the role are written together, as in cluster:view",
			"a ClusterRole that is really called so is `clusterrole/"+word+"`")
	case role.Name == "" || len(content.IsPathSegmentName(role.Name)) > 0:
		c.fault("role", word, "is not a role's name", forms)
	default:
		return role, true
	}
	return role, false
}

func (g *Grants) bind(role Role) {
	if !slices.Contains(g.Roles, role) {
		g.Roles = append(g.Roles, role)
	}
}

func (c *checker) rules(input, value string) rules.Scoped {
	value = strings.TrimSpace(value)
	if value == "" {
		return rules.Scoped{}
	}
	var parsed rules.Scoped
	if file, ok := strings.CutPrefix(value, "@"); ok {
		parsed = c.rulesFile(input, value, strings.TrimSpace(file))
	} else {
		parsed = c.shownRules(input, value)
	}
	roles := func(kind string) bool { return kind == "Role" || kind == "ClusterRole" }
	if input == "must_not" && slices.ContainsFunc(parsed.PassedOver, roles) {
		c.fault(input, "", "it has a Role or ClusterRole of another API than rbac.authorization.k8s.io, whose rules would not be forbidden",
			"correct its apiVersion, or take it out")
		return parsed
	}
	if len(parsed.PassedOver) > 0 {
		c.warnings = append(c.warnings, "input "+input+": passed over "+strings.Join(parsed.PassedOver, ", ")+
			" of the manifest: rules are those of its Roles and ClusterRoles alone")
	}
	return parsed
}

// shownRules reads rules whose words may be shown.
func (c *checker) shownRules(input, text string) rules.Scoped {
	parsed, err := rules.Parse(text)
	for _, fault := range problem.All(err) {
		c.fault(input, "", fault.Error())
	}
	return parsed
}

// rulesFile reads rules from a file. One that was named by mistake may hold secrets, and a pull request may have made it:
// its words are shown in errors only where all of it has the form of rules.
func (c *checker) rulesFile(input, value, file string) rules.Scoped {
	data, err := c.env.ReadFile(file)
	if refused, ok := errors.AsType[*problem.Error](err); ok {
		c.fault(input, value, "cannot be read: "+refused.Cause.Error(), refused.Hints...)
		return rules.Scoped{}
	}
	if err != nil {
		c.fault(input, value, "cannot be read: "+reason(err),
			"a relative path counts from the workspace; is the repository checked out before this step?")
		return rules.Scoped{}
	}
	parsed, err := rules.Parse(string(data))
	if err == nil {
		return parsed
	}
	if form := rules.CheckForm(string(data)); form != nil {
		c.fault(input, value, "is not a file of rules: "+form.Error(),
			"a line of rules is VERBS RESOURCES [NAMES], as in get,list pods; docs/access.md has that and the forms of YAML",
			"nothing of the file is shown: if it is the wrong one, it may hold a secret")
		return rules.Scoped{}
	}
	return c.shownRules(input, string(data))
}
