package explain

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/console"
)

// Pasteable are rules as lines of a Role: JSON is YAML.
func Pasteable(rs []rbacv1.PolicyRule) (lines []string) {
	for _, rule := range rs {
		if line, err := console.JSON(rule); err == nil {
			lines = append(lines, "- "+line)
		}
	}
	return lines
}
