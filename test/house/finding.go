package house

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Finding is one place that breaks a rule. Count is how far or how often.
type Finding struct {
	Rule, Key string
	Count     int
}

type rule struct {
	check func(*Repo) []Finding
	name  string
	says  string
}

// rules have no exceptions.
var rules = []rule{
	{findUpward, "imports-both-ways", "two rooms import each other, through the rooms nested in them"},
	{findTangled, "files-both-ways", "two files of a room use each other's names, directly or through other files"},
	{findLeaves, "leaf-imports", "a leaf imports no other room"},
	{findImpure, "impure", "a room of the functional core has no client, no os, no network"},
	{findClientset, "clientset", "the full clientset doubles the binary; a fake can neither mint nor decide by RBAC"},
	{findClients, "http-client", "client/wire alone makes HTTP clients: others would follow redirects with the credential"},
	{findWriters, "writes", "only these rooms write to a cluster: " + strings.Join(mayWrite, ", ")},
	{findRevealers, "reveals", "only these rooms reveal a secret: " + strings.Join(mayReveal, ", ")},
	{findUndocumented, "doc.go", "doc.go says what the room is for and what it may import"},
	{findMisdocumented, "doc-imports", "doc.go names the rooms that the room imports, and no other"},
	{findUnpictured, "docs-room", "docs/architecture.md lists every room, and no other"},
	{findUnexplained, "docs-file", "docs/architecture.md says what each file on the auditor's path decides"},
	{findLost, "docs-path", "a path that docs/architecture.md names exists"},
	{findDeadLinks, "comment-link", "a comment in brackets names what is declared"},
	{findLargeRooms, "room-lines", fmt.Sprintf("a room has at most %d lines of code", mostRoomLines)},
	{findWideRooms, "room-exports", fmt.Sprintf("a room exports at most %d names", mostExported)},
	{findLongFiles, "file-lines", fmt.Sprintf("a file has at most %d lines of code", mostFileLines)},
	{findLongFunctions, "function-lines", fmt.Sprintf("the body of a function has at most %d lines", mostFunctionLines)},
	{findLargeStructs, "struct-fields", fmt.Sprintf("a struct has at most %d fields", mostFields)},
	{findLongLines, "line-columns", fmt.Sprintf("a line has at most %d columns", mostColumns)},
	{findParallel, "parallel-assignment", "one statement assigns one value; a swap may assign two"},
	{findMixed, "mixed-and-or", "parentheses stand around && in an ||"},
	{findGlobals, "global", "no init, and no package variable but errors and tables"},
	{findProcess, "process", "main.go alone reads the environment and exits; no context.TODO, no http.DefaultClient"},
	{findWords, "word", "a phrase that reads as translated; testdata/words.txt has what to write instead"},
}

// Check applies every rule and sums up the findings of one key.
func Check(repo *Repo) []Finding {
	var all []Finding
	for _, rule := range rules {
		sums := map[string]int{}
		for _, finding := range rule.check(repo) {
			sums[finding.Key] += finding.Count
		}
		for _, key := range slices.Sorted(maps.Keys(sums)) {
			all = append(all, Finding{Rule: rule.name, Key: key, Count: sums[key]})
		}
	}
	return all
}

// String says what a rule asks for, and where it is broken.
func (f Finding) String() string {
	at := slices.IndexFunc(rules, func(r rule) bool { return r.name == f.Rule })
	return fmt.Sprintf("%s: %s (%d): %s", f.Rule, f.Key, f.Count, rules[at].says)
}

// sortedKeys is for tables that are printed, the largest value first.
func sortedKeys(values map[string]int) []string {
	return slices.SortedFunc(maps.Keys(values), func(a, b string) int {
		return cmp.Or(cmp.Compare(values[b], values[a]), cmp.Compare(a, b))
	})
}

// FormatTotals prints how many places break each rule.
func FormatTotals(findings []Finding) string {
	totals := map[string]int{}
	for _, finding := range findings {
		totals[finding.Rule]++
	}
	var b strings.Builder
	for _, rule := range rules {
		fmt.Fprintf(&b, "%5d  %s: %s\n", totals[rule.name], rule.name, rule.says)
	}
	return b.String()
}
