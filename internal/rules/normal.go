package rules

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// NormalLines says what rules grant in one way, however they are written: rules that are [Equal]
// have the same lines. Hashes are made of it, so its form must not change.
func NormalLines(rs []rbacv1.PolicyRule) []string {
	all := breakDown(rs)
	wide := slices.DeleteFunc(slices.Clone(all), func(l Line) bool { return !l.isWide() })
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

// isWide says whether a line may cover another one that is not the same.
func (l Line) isWide() bool {
	return len(l.Names) == 0 || strings.Contains(strings.Join(l.columns(), " "), "*")
}

// coveredByOther says whether one of the lines, in other words, grants all of l. Of two that grant
// the same the first one in the order of their words stays.
func coveredByOther(l Line, wide []Line) bool {
	said := strings.Join(l.columns(), " ")
	return slices.ContainsFunc(wide, func(w Line) bool {
		words := strings.Join(w.columns(), " ")
		if words == said {
			return false
		}
		covers, _ := validation.Covers(w.Rules(), l.Rules())
		if !covers {
			return false
		}
		same, _ := validation.Covers(l.Rules(), w.Rules())
		return !same || words < said
	})
}
