package config

import (
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

// declaredRole is a role as the input names it.
type declaredRole struct {
	Role
	word      string
	atCluster bool
}

// clusterPrefix before a role binds it at cluster scope.
const clusterPrefix = "cluster:"

func parseRoles(c *checker, in Input, value string) []declaredRole {
	var roles []declaredRole
	for _, word := range splitWords(value) {
		named, atCluster := strings.CutPrefix(word, clusterPrefix)
		if role, ok := c.readRole(in, word, named); ok {
			roles = append(roles, declaredRole{role, word, atCluster})
		}
	}
	return roles
}

// readRole reads the name of a role as it was written, and without the prefix.
func (c *checker) readRole(in Input, word, named string) (role Role, ok bool) {
	const forms = "write `edit`, `clusterrole/NAME` or `role/NAME`; " +
		"`cluster:` before a ClusterRole binds it at cluster scope"
	kind, name, qualified := strings.Cut(named, "/")
	role = Role{Kind: "ClusterRole", Name: name}
	switch {
	case !qualified:
		role.Name = kind
	case strings.EqualFold(kind, "role"):
		role.Kind = "Role"
	case !strings.EqualFold(kind, "clusterrole"):
		c.addFault(in.Name, word, "is not a role", forms)
		return role, false
	}
	switch {
	case word == "cluster" || word == clusterPrefix:
		c.addFault(in.Name, word,
			"is not a role by itself: the word and the role are written together, as in cluster:view",
			"a ClusterRole that is really called so is `clusterrole/"+word+"`")
	case role.Name == "" || len(content.IsPathSegmentName(role.Name)) > 0:
		c.addFault(in.Name, word, "is not a role's name", forms)
	default:
		return role, true
	}
	return role, false
}

// readRules reads rules that are granted.
func (c *checker) readRules(in Input, value string) syntax.Scoped {
	return c.warnPassedOver(in, c.readAnyRules(in, value))
}

// warnPassedOver warns about objects of a manifest that are not roles.
func (c *checker) warnPassedOver(in Input, parsed syntax.Scoped) syntax.Scoped {
	if len(parsed.PassedOver) > 0 {
		c.warnings = append(c.warnings, "input "+in.Name+": passed over "+strings.Join(
			parsed.PassedOver, ", ",
		)+
			" of the manifest: rules are those of its Roles and ClusterRoles alone")
	}
	return parsed
}

// readForbidden reads rules that must not hold. Roles of another API are refused there: passed
// over, they would look forbidden and not be.
func (c *checker) readForbidden(in Input, value string) syntax.Scoped {
	parsed := c.readAnyRules(in, value)
	isRole := func(kind string) bool { return kind == "Role" || kind == "ClusterRole" }
	if !slices.ContainsFunc(parsed.PassedOver, isRole) {
		return c.warnPassedOver(in, parsed)
	}
	c.addFault(in.Name, "",
		"it has a Role or ClusterRole of another API than rbac.authorization.k8s.io, "+
			"whose rules would not be forbidden",
		"correct its apiVersion, or take it out")
	return parsed
}

func (c *checker) readAnyRules(in Input, value string) syntax.Scoped {
	value = strings.TrimSpace(value)
	if value == "" {
		return syntax.Scoped{}
	}
	if file, ok := strings.CutPrefix(value, "@"); ok {
		return c.readRulesFile(in, value, strings.TrimSpace(file))
	}
	return c.parseShownRules(in, value)
}

// parseShownRules parses rules whose words may be shown.
func (c *checker) parseShownRules(in Input, text string) syntax.Scoped {
	parsed, err := syntax.ParseRules(text)
	for _, fault := range problem.ListErrors(err) {
		c.addFault(in.Name, "", fault.Error())
	}
	return parsed
}

// readRulesFile reads rules from a file. One that was named by mistake may hold secrets, and a pull
// request may have made it: errors quote it only if all of it has the form of rules.
func (c *checker) readRulesFile(in Input, value, file string) syntax.Scoped {
	data, err := c.env.ReadFile(file)
	if refused, ok := errors.AsType[*problem.Error](err); ok {
		c.addFault(in.Name, value, "cannot be read: "+refused.Cause.Error(), refused.Hints...)
		return syntax.Scoped{}
	}
	if err != nil {
		c.addFault(in.Name, value, "cannot be read: "+innermostCause(err),
			"a relative path counts from the workspace; is the repository checked out before this step?")
		return syntax.Scoped{}
	}
	parsed, err := syntax.ParseRules(string(data))
	if err == nil {
		return parsed
	}
	if form := syntax.CheckForm(string(data)); form != nil {
		c.addFault(in.Name, value, "is not a file of rules: "+form.Error(),
			"a line of rules is VERBS RESOURCES [NAMES], as in get,list pods; "+
				"docs/access.md has that and the forms of YAML",
			"nothing of the file is shown: if it is the wrong one, it may hold a secret")
		return syntax.Scoped{}
	}
	return c.parseShownRules(in, string(data))
}
