package rules

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Matrix is rules as a table, for people: a row for each resource (or URL) and its names, a column
// for each verb.
type Matrix struct {
	Verbs []string // of all rows, in the customary order, * last
	Rows  []MatrixRow
}

// MatrixRow is one resource, written as in the shorthand, and what may be done with it.
type MatrixRow struct {
	Resource string
	// the objects it is limited to, written as in the shorthand; none means every object
	Names []string
	Has   []bool // by Matrix.Verbs: granted under this name, or by *
}

// NewMatrix makes the table of rs. The order of its rows does not depend on that of rs.
func NewMatrix(rs []rbacv1.PolicyRule) Matrix {
	var m Matrix
	lines := groupByTarget(breakDown(rs))
	for _, l := range lines {
		m.Verbs = append(m.Verbs, l.Verbs...)
	}
	m.Verbs = sortUnique(m.Verbs, compareVerbs)
	for _, l := range lines {
		row := MatrixRow{Resource: quoteSpecial(l.Targets)[0], Names: quoteSpecial(l.Names)}
		for _, verb := range m.Verbs {
			row.Has = append(row.Has, slices.Contains(l.Verbs, verb) || slices.Contains(l.Verbs, "*"))
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}
