package rules

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// target is what a verb acts on: a resource of an API group, subresource included, or a URL.
type target struct{ group, resource, url string }

// line is one line of shorthand. Its targets are all URLs, or all resources. No names means every object.
type line struct {
	verbs   []string
	targets []target
	names   []string
}

// Format prints rules in the shorthand, one line each, in columns. Rules that have the same resource and names, or the
// same verbs and names, are merged; the order does not depend on that of rs. Safe to print: what is not plain is escaped.
func Format(rs []rbacv1.PolicyRule) []string {
	var rows [][3]string
	var width [2]int
	for _, l := range compact(rs) {
		url := l.targets[0].url != ""
		row := [3]string{
			list(l.verbs, func(v string) string { return quoted(v, checkVerb(v, url, false) == nil) }),
			list(l.targets, target.String),
			list(l.names, printName),
		}
		width[0] = max(width[0], len(row[0]))
		if row[2] != "" {
			width[1] = max(width[1], len(row[1]))
		}
		rows = append(rows, row)
	}
	var lines []string
	for _, row := range rows {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%-*s  %-*s  %s", width[0], row[0], width[1], row[1], row[2]), " "))
	}
	return lines
}

// String is the target as the shorthand writes it.
func (t target) String() string {
	if t.url != "" {
		return quoted(t.url, checkURL(t.url) == nil)
	}
	head, sub, slash := strings.Cut(t.resource, "/")
	text := head
	if t.group != "" {
		text += "." + t.group
	}
	if slash {
		text += "/" + sub
	}
	read, err := resolve(word{text: text})
	return quoted(text, err == nil && read == t)
}

func printName(name string) string { return quoted(name, checkName(name) == nil) }

// quoted puts the word in quotes unless it can stand bare: it would read back as what it is (ok), and is plain ASCII.
func quoted(word string, ok bool) string {
	special := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\",#\\", r) }
	if ok && word != "" && !strings.ContainsFunc(word, special) {
		return word
	}
	return strconv.QuoteToASCII(word)
}

func list[T any](items []T, printed func(T) string) string {
	var words []string
	for _, item := range items {
		words = append(words, printed(item))
	}
	return strings.Join(words, ",")
}

// targets are the parts of the rule that its verbs act on. The URL * is everything, and so is /*, which has a notation.
func targets(r rbacv1.PolicyRule) []target {
	var all []target
	for _, group := range r.APIGroups {
		for _, resource := range r.Resources {
			all = append(all, target{group: group, resource: resource})
		}
	}
	for _, url := range r.NonResourceURLs {
		if url == "*" {
			url = "/*"
		}
		all = append(all, target{url: url})
	}
	return all
}

// rules are the line as the API wants it: one rule an API group, groups in the order of their first target.
func (l line) rules() []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	for _, t := range l.targets {
		i := slices.IndexFunc(all, func(r rbacv1.PolicyRule) bool { return t.url != "" || slices.Contains(r.APIGroups, t.group) })
		if i < 0 {
			i = len(all)
			all = append(all, rbacv1.PolicyRule{Verbs: slices.Clone(l.verbs), ResourceNames: slices.Clone(l.names)})
			if t.url == "" {
				all[i].APIGroups = []string{t.group}
			}
		}
		if t.url != "" {
			all[i].NonResourceURLs = append(all[i].NonResourceURLs, t.url)
		} else {
			all[i].Resources = append(all[i].Resources, t.resource)
		}
	}
	return all
}

// compact merges rules into few lines, sorted: what has the same verbs and names shares a line.
func compact(rs []rbacv1.PolicyRule) []line {
	return merge(accesses(rs), func(l line) any { return [3]any{l.targets[0].url != "", key(l.verbs), key(l.names)} })
}

// accesses merges rules into lines of one target each, sorted: first the verbs for the same target and name, then the
// names that have the same verbs.
func accesses(rs []rbacv1.PolicyRule) []line {
	var lines []line
	for _, r := range rs {
		names := [][]string{nil}
		if len(r.ResourceNames) > 0 {
			names = nil
		}
		for _, name := range r.ResourceNames {
			names = append(names, []string{name})
		}
		for _, t := range targets(r) {
			for _, n := range names {
				lines = append(lines, line{verbs: r.Verbs, targets: []target{t}, names: n})
			}
		}
	}
	lines = slices.DeleteFunc(lines, func(l line) bool { return len(l.verbs) == 0 })
	lines = merge(lines, func(l line) any { return [2]any{l.targets[0], key(l.names)} })
	return merge(lines, func(l line) any { return [3]any{l.targets[0], key(l.verbs), l.names == nil} })
}

// merge joins the lines that have the same key, and sorts them and what they are made of.
func merge(lines []line, same func(line) any) []line {
	var all []line
	at := map[any]int{}
	for _, l := range lines {
		i, ok := at[same(l)]
		if !ok {
			i = len(all)
			at[same(l)] = i
			all = append(all, line{})
		}
		into := &all[i]
		into.verbs, into.targets, into.names = append(into.verbs, l.verbs...), append(into.targets, l.targets...), append(into.names, l.names...)
	}
	for i := range all {
		l := &all[i]
		if slices.Contains(l.verbs, "*") {
			l.verbs = []string{"*"}
		}
		slices.SortFunc(l.verbs, compareVerbs)
		slices.SortFunc(l.targets, compareTargets)
		slices.Sort(l.names)
		l.verbs, l.targets, l.names = slices.Compact(l.verbs), slices.Compact(l.targets), slices.Compact(l.names)
	}
	slices.SortFunc(all, compareLines)
	return all
}

// key is a list as a map's key.
func key(words []string) string { return fmt.Sprintf("%q", words) }

func compareLines(a, b line) int {
	return cmp.Or(slices.CompareFunc(a.targets, b.targets, compareTargets),
		slices.Compare(a.names, b.names), slices.CompareFunc(a.verbs, b.verbs, compareVerbs))
}

// compareTargets puts the core group first and URLs last.
func compareTargets(a, b target) int {
	return cmp.Or(cmp.Compare(a.url, b.url), cmp.Compare(a.group, b.group), cmp.Compare(a.resource, b.resource))
}

// compareVerbs is the customary order, then by name what is not known, * at the very end.
func compareVerbs(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) }

func rank(verb string) int {
	if i := slices.Index(resourceVerbs, verb); i >= 0 {
		return i
	}
	if i := slices.Index(urlVerbs, verb); i >= 0 {
		return len(resourceVerbs) + i
	}
	if verb == "*" {
		return math.MaxInt
	}
	return math.MaxInt - 1
}
