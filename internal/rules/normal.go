package rules

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// Normal says what rules grant in one way, however they are written: rules that are [Equal] have the same
// lines. It is what hashes are made of, so its form must not change.
func Normal(rs []rbacv1.PolicyRule) []string {
	all := atoms(rs)
	wide := slices.DeleteFunc(slices.Clone(all), func(l line) bool { return !l.wide() })
	var lines []string
	for _, l := range all {
		said := strings.Join(l.columns(), " ")
		if !slices.Contains(lines, said) && !coveredByOther(l, wide) {
			lines = append(lines, said)
		}
	}
	slices.Sort(lines)
	return lines
}

// wide says whether a line may cover another one that is not the same.
func (l line) wide() bool {
	return len(l.names) == 0 || strings.Contains(strings.Join(l.columns(), " "), "*")
}

// coveredByOther says whether one of the lines, in other words, grants all of l. Of two that grant the
// same the first one in the order of their words stays.
func coveredByOther(l line, wide []line) bool {
	said := strings.Join(l.columns(), " ")
	return slices.ContainsFunc(wide, func(w line) bool {
		words := strings.Join(w.columns(), " ")
		if words == said {
			return false
		}
		covers, _ := validation.Covers(w.rules(), l.rules())
		if !covers {
			return false
		}
		same, _ := validation.Covers(l.rules(), w.rules())
		return !same || words < said
	})
}
