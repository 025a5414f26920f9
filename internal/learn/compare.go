package learn

import (
	"iter"
	"math"
	"net/http"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/needs"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

// Comparison compares the requests of a command with the declared rules.
type Comparison struct {
	Used    needs.List // with names, as they were asked for
	Refused needs.List // by the API server: 403
	Unused  []string   // declared, and no request took any of it
	Wider   []string   // declared by a wildcard, and more than what was used
}

// Compare compares requests with the declared rules.
func Compare(requests iter.Seq[Request], declared syntax.Scoped) Comparison {
	refused := func(r Request) bool { // what is declared was refused by something else: a policy, a quota
		return r.Status == http.StatusForbidden && !isDeclared(r, declared)
	}
	allowed := filter(requests, func(r Request) bool { return !refused(r) })
	denied := filter(requests, refused)
	c := Comparison{Used: Needs(allowed, false), Refused: Needs(denied, false)}
	c.Refused.Comments = nil // the list says it

	used := deriveNeeds(foldNames(allowed, declared), math.MaxInt).Rules()
	c.compareScope(used, declared.Rules, rules.Format)
	c.compareScope(used, declared.Cluster, rules.FormatCluster)
	return c
}

// filter is the requests that a condition holds for.
func filter(requests iter.Seq[Request], holds func(Request) bool) iter.Seq[Request] {
	return func(yield func(Request) bool) {
		for r := range requests {
			if holds(r) && !yield(r) {
				return
			}
		}
	}
}

// otherName stands for all names that no declared rule has. No object can be called so.
const otherName = "?"

// foldNames makes one of the names that no declared rule has: which they are makes no difference.
func foldNames(requests iter.Seq[Request], declared syntax.Scoped) iter.Seq[Request] {
	names := map[string]bool{"": true} // of a request that is for no one object
	for _, rule := range declared.All() {
		for _, name := range rule.ResourceNames {
			names[name] = true
		}
	}
	return func(yield func(Request) bool) {
		for r := range requests {
			if !names[r.Name] {
				r.Name = otherName
			}
			if !yield(r) {
				return
			}
		}
	}
}

// isDeclared reports whether declared rules allow a request somewhere.
func isDeclared(r Request, declared syntax.Scoped) bool {
	return len(rules.Covers(declared.All(), Needs(slices.Values([]Request{r}), true).Rules())) == 0
}

// compareScope adds the declared rules that were not used. A wildcard that was used in part is
// told apart: what to write in its place stands among what was used.
func (c *Comparison) compareScope(
	used, declared []rbacv1.PolicyRule, format func([]rbacv1.PolicyRule) []string,
) {
	var exact, wider []rbacv1.PolicyRule
	for _, rule := range declared {
		switch {
		case !hasWildcard(rule):
			exact = append(exact, rule)
		case len(rules.Overlap(used, []rbacv1.PolicyRule{rule})) > 0:
			wider = append(wider, rule)
		default:
			exact = append(exact, rule)
		}
	}
	c.Unused = append(c.Unused, format(untouched(used, exact))...)
	c.Wider = append(c.Wider, format(wider)...)
}

// untouched are the rules, each a verb on a resource and a name, that no request met.
func untouched(used, declared []rbacv1.PolicyRule) (left []rbacv1.PolicyRule) {
	for _, rule := range declared {
		for _, single := range singles(rule) {
			if len(rules.Overlap(used, []rbacv1.PolicyRule{single})) == 0 {
				left = append(left, single)
			}
		}
	}
	return left
}

// singles divides a rule into the smallest ones.
func singles(rule rbacv1.PolicyRule) (all []rbacv1.PolicyRule) {
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, verb := range rule.Verbs {
		for _, url := range rule.NonResourceURLs {
			all = append(all, rbacv1.PolicyRule{Verbs: []string{verb}, NonResourceURLs: []string{url}})
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, name := range names {
					one := rbacv1.PolicyRule{
						Verbs: []string{verb}, APIGroups: []string{group}, Resources: []string{resource},
					}
					if name != "" {
						one.ResourceNames = []string{name}
					}
					all = append(all, one)
				}
			}
		}
	}
	return all
}

// hasWildcard reports whether a rule grants more than its words name.
func hasWildcard(rule rbacv1.PolicyRule) bool {
	for _, words := range [][]string{rule.Verbs, rule.APIGroups, rule.Resources, rule.NonResourceURLs} {
		if slices.ContainsFunc(words, func(word string) bool { return strings.Contains(word, "*") }) {
			return true
		}
	}
	return false
}

// Lines print the comparison.
func (c Comparison) Lines() []string {
	lines := append([]string{"# used"}, c.Used.Lines()...)
	if len(c.Refused.Places) > 0 {
		lines = append(lines, "", "# refused: add these if the command is meant to do it")
		lines = append(lines, c.Refused.Lines()...)
	}
	if len(c.Wider) > 0 {
		lines = append(
			lines, "",
			"# declared, and wider than what was used: see the lines above for what to write instead",
		)
		lines = append(lines, comment(c.Wider)...)
	}
	if len(c.Unused) > 0 {
		lines = append(lines, "", "# declared, and never used: take these out if no other run needs them")
		lines = append(lines, comment(c.Unused)...)
	}
	return lines
}

// comment keeps lines from being pasted.
func comment(lines []string) (all []string) {
	for _, line := range lines {
		all = append(all, "#   "+line)
	}
	return all
}
