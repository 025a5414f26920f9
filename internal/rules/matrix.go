package rules

import (
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Matrix is rules as a table, for people: a row for each resource (or URL) and its names, a column for each verb.
type Matrix struct {
	Verbs []string // of all rows, in the customary order, * last
	Rows  []MatrixRow
}

// MatrixRow is one resource, written as in the shorthand, and what may be done with it.
type MatrixRow struct {
	Resource string
	Names    []string // the objects it is limited to, written as in the shorthand; none means every object
	Has      []bool   // by Matrix.Verbs: granted under this name, or by *
}

// NewMatrix makes the table of rs. The order of its rows does not depend on that of rs.
func NewMatrix(rs []rbacv1.PolicyRule) Matrix {
	var m Matrix
	lines := accesses(rs)
	for _, l := range lines {
		m.Verbs = append(m.Verbs, l.verbs...)
	}
	slices.SortFunc(m.Verbs, compareVerbs)
	m.Verbs = slices.Compact(m.Verbs)
	for _, l := range lines {
		row := MatrixRow{Resource: l.targets[0].String(), Has: make([]bool, len(m.Verbs))}
		for _, name := range l.names {
			row.Names = append(row.Names, printName(name))
		}
		for i, verb := range m.Verbs {
			row.Has[i] = slices.Contains(l.verbs, verb) || slices.Contains(l.verbs, "*")
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}
