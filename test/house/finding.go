package house

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Finding is one place that breaks a rule. Count is how far or how often.
type Finding struct {
	Rule, Key string
	Count     int
}

// wordRule has a list of its own, phrases.txt: it is long, and others work on it.
const wordRule = "word"

// rules are all rules whose exceptions are listed in testdata/exceptions.txt. A rule without exceptions has no lines there.
var rules = []struct {
	check func(*Repo) []Finding
	name  string
	says  string
}{
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
	{findWords, wordRule, "a phrase that reads as translated; testdata/words.txt has what to write instead"},
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

// Explain returns what a rule asks for.
func Explain(name string) string {
	for _, rule := range rules {
		if rule.name == name {
			return rule.says
		}
	}
	return "no such rule"
}

// FormatExceptions writes findings as testdata/exceptions.txt has them.
func FormatExceptions(findings []Finding) string {
	var b strings.Builder
	b.WriteString("# Places that do not keep the rules of the house yet: rule, how far or how often, place.\n" +
		"# The list only gets shorter. After a move of code: go test ./test/house -update\n")
	last := ""
	for _, finding := range findings {
		if finding.Rule != last {
			last = finding.Rule
			fmt.Fprintf(&b, "\n# %s\n", Explain(last))
		}
		fmt.Fprintf(&b, "%s %d %s\n", finding.Rule, finding.Count, finding.Key)
	}
	return b.String()
}

// ParseExceptions reads what FormatExceptions wrote.
func ParseExceptions(text string) ([]Finding, error) {
	var all []Finding
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.SplitN(line, " ", 3)
		if len(parts) < 3 {
			return nil, fmt.Errorf("read exception %q: want RULE COUNT PLACE", line)
		}
		count, err := strconv.Atoi(parts[1])
		if err != nil {
			return nil, fmt.Errorf("read exception %q: %w", line, err)
		}
		all = append(all, Finding{Rule: parts[0], Count: count, Key: parts[2]})
	}
	return all, nil
}

// SplitWords separates the findings of the word list from those of all other rules.
func SplitWords(findings []Finding) (words, others []Finding) {
	for _, finding := range findings {
		if finding.Rule == wordRule {
			words = append(words, finding)
		} else {
			others = append(others, finding)
		}
	}
	return words, others
}

// Compare returns a sentence for each finding that is not an exception, that has grown beyond it, or that is gone.
func Compare(found, allowed []Finding) []string {
	var said []string
	bound := byPlace(allowed)
	for place, finding := range byPlace(found) {
		exception, listed := bound[place]
		delete(bound, place)
		if listed && finding.Count <= exception.Count {
			continue
		}
		line := fmt.Sprintf("%s: %s (%d): %s", finding.Rule, finding.Key, finding.Count, Explain(finding.Rule))
		if listed {
			line += fmt.Sprintf("; it was %d", exception.Count)
		}
		said = append(said, line)
	}
	for _, exception := range bound {
		said = append(said, fmt.Sprintf("%s: %s: keeps the rule now: delete the exception", exception.Rule, exception.Key))
	}
	slices.Sort(said)
	return said
}

func byPlace(findings []Finding) map[string]Finding {
	places := map[string]Finding{}
	for _, finding := range findings {
		places[finding.Rule+" "+finding.Key] = finding
	}
	return places
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
