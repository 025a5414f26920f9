package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Format prints rules in the shorthand, one line each, in columns. Rules that have the same resource and names, or the
// same verbs and names, are merged; the order does not depend on that of rs. Safe to print: what the shorthand cannot say
// is in quotes and escaped, for a person to read.
func Format(rs []rbacv1.PolicyRule) []string { return format(rs) }

// FormatCluster is Format for rules that are granted at cluster scope: each line begins with the word cluster.
func FormatCluster(rs []rbacv1.PolicyRule) []string { return format(rs, clusterWord) }

func format(rs []rbacv1.PolicyRule, before ...string) []string {
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, l := range compact(atoms(rs)) {
		_, _ = fmt.Fprintln(columns, strings.Join(append(slices.Clip(before), l.columns()...), "\t"))
	}
	_ = columns.Flush() // a builder takes everything
	return strings.FieldsFunc(text.String(), func(r rune) bool { return r == '\n' })
}

// columns are the words of a line, safe to print.
func (l line) columns() []string {
	verbs := strings.Join(printed(l.verbs), ",")
	if verbs == clusterWord { // it would be read as the word
		verbs = strconv.Quote(verbs)
	}
	all := []string{verbs, strings.Join(printed(l.targets), ",")}
	if len(l.names) > 0 {
		all = append(all, strings.Join(printed(l.names), ","))
	}
	return all
}

// printed quotes the words that are not plain ASCII, or that the shorthand would read as something else.
func printed[T any](items []T) []string {
	special := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\",;#\\", r) }
	var words []string
	for _, item := range items {
		word := fmt.Sprint(item)
		t, isTarget := any(item).(target)
		if word == "" || strings.ContainsFunc(word, special) || (isTarget && !t.sayable()) {
			word = strconv.QuoteToASCII(word)
		}
		words = append(words, word)
	}
	return words
}

// sayable reports whether the shorthand reads the target's word as this target. It refuses a built-in resource in a
// group that does not have it, which YAML can grant.
func (t target) sayable() bool {
	head, _, _ := strings.Cut(t.resource, "/")
	if t.url != "" || exists(t.group, head) {
		return true
	}
	return t.group != "" && !known(head) && suggest(head, t.group) == ""
}

// String is the target as the shorthand writes it.
func (t target) String() string {
	head, sub, slash := strings.Cut(t.resource, "/")
	if t.group != "" {
		head += "." + t.group
	}
	if slash {
		head += "/" + sub
	}
	return t.url + head
}

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
	lines := accesses(atoms(rs))
	for _, l := range lines {
		m.Verbs = append(m.Verbs, l.verbs...)
	}
	m.Verbs = sorted(m.Verbs, compareVerbs)
	for _, l := range lines {
		row := MatrixRow{Resource: printed(l.targets)[0], Names: printed(l.names)}
		for _, verb := range m.Verbs {
			row.Has = append(row.Has, slices.Contains(l.verbs, verb) || slices.Contains(l.verbs, "*"))
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}
