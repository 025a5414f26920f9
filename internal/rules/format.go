package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules/names"
)

// Format prints rules in the shorthand, one line each, in columns. Rules that have the same
// resource and names, or the same verbs and names, are merged; the order does not depend on that of
// rs. Safe to print: what the shorthand cannot say is in quotes and escaped, for a person to read.
func Format(rs []rbacv1.PolicyRule) []string { return formatLines(rs) }

// FormatCluster is Format for rules that are granted at cluster scope: each line begins with the
// word cluster.
func FormatCluster(rs []rbacv1.PolicyRule) []string { return formatLines(rs, names.ClusterWord) }

func formatLines(rs []rbacv1.PolicyRule, before ...string) []string {
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, l := range compactLines(breakDown(rs)) {
		_, _ = fmt.Fprintln(columns, strings.Join(append(slices.Clip(before), l.columns()...), "\t"))
	}
	_ = columns.Flush() // a builder takes everything
	return strings.FieldsFunc(text.String(), func(r rune) bool { return r == '\n' })
}

// columns are the words of a line, safe to print.
func (l Line) columns() []string {
	verbs := strings.Join(quoteSpecial(l.Verbs), ",")
	if verbs == names.ClusterWord { // it would be read as the word
		verbs = strconv.Quote(verbs)
	}
	all := []string{verbs, strings.Join(quoteSpecial(l.Targets), ",")}
	if len(l.Names) > 0 {
		all = append(all, strings.Join(quoteSpecial(l.Names), ","))
	}
	return all
}

// quoteSpecial quotes the words that are not plain ASCII, or that the shorthand would read as
// something else.
func quoteSpecial[T any](items []T) []string {
	special := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\",;#\\", r) }
	var words []string
	for _, item := range items {
		word := fmt.Sprint(item)
		t, isTarget := any(item).(Target)
		if word == "" || strings.ContainsFunc(word, special) || (isTarget && !t.isSayable()) {
			word = strconv.QuoteToASCII(word)
		}
		words = append(words, word)
	}
	return words
}

// isSayable reports whether the shorthand reads the target's word as this target. It refuses a
// built-in resource in a group that does not have it, which YAML can grant.
func (t Target) isSayable() bool {
	head, _, _ := strings.Cut(t.Resource, "/")
	if t.URL != "" || names.HasResource(t.Group, head) {
		return true
	}
	return t.Group != "" && !names.IsKnown(head) && names.SuggestResource(head, t.Group) == ""
}

// String is the target as the shorthand writes it.
func (t Target) String() string { return t.URL + names.JoinGroup(t.Group, t.Resource) }
