package explain

import (
	"regexp"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/console"
)

// PasteRules returns rules as lines of a Role, in YAML: the one form in which rules are pasted. (A
// person reads them in the shorthand.)
func PasteRules(rs []rbacv1.PolicyRule) (lines []string) {
	for _, rule := range rs {
		lines = append(lines, "- "+pasteRule(rule))
	}
	return lines
}

// pasteRule returns a rule as a flow mapping of YAML.
func pasteRule(rule rbacv1.PolicyRule) string {
	var fields []string
	add := func(field string, values []string) {
		if len(values) > 0 {
			fields = append(fields, field+": ["+strings.Join(quoteValues(values), ", ")+"]")
		}
	}
	add("apiGroups", rule.APIGroups)
	add("resources", rule.Resources)
	add("nonResourceURLs", rule.NonResourceURLs)
	add("verbs", rule.Verbs)
	add("resourceNames", rule.ResourceNames)
	return "{" + strings.Join(fields, ", ") + "}"
}

// quoteValues leaves the usual verbs as they are. Quoted as JSON, any other value is YAML.
func quoteValues(values []string) []string {
	plain := regexp.MustCompile(
		`^(get|list|watch|create|update|patch|delete|deletecollection|bind|escalate)$`,
	)
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = value
		if text, err := console.EncodeJSON(value); err == nil && !plain.MatchString(value) {
			quoted[i] = text
		}
	}
	return quoted
}
