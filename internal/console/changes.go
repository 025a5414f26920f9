package console

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kubemint/kubemint/internal/access"
)

// shownAtMost keeps the change set readable; the output `changes` has all of it.
const shownAtMost = 50

// ShowChanges prints a change set that was carried out.
func (l *Log) ShowChanges(plan access.Plan) {
	l.writeLines(ChangeLines(plan)...)
}

// ShowPlanned prints a change set that was not.
func (l *Log) ShowPlanned(plan access.Plan) {
	l.writeLines(changeLines(plan.Changes, wordPlanned)...)
}

// wording says what happens to an object of a change set.
type wording func(verb access.Verb, what string) string

// wordDone says what happened.
func wordDone(verb access.Verb, what string) string { return fmt.Sprintf("%-10s %s", verb, what) }

// wordPlanned says what would happen.
func wordPlanned(verb access.Verb, what string) string {
	word := string(verb)
	switch verb { //nolint:exhaustive // the others stand for themselves
	case access.Created:
		word = "would create"
	case access.Configured:
		word = "would configure"
	case access.Deleted:
		word = "would delete"
	}
	return fmt.Sprintf("%-15s %s", word, what)
}

// ChangeLines returns the change set for people: what happened to each object, and below it the
// rules that come and go. Changes that are alike in many namespaces share a line. The lines are
// raw: pass each through [CleanLine] before printing it.
func ChangeLines(plan access.Plan) []string { return changeLines(plan.Changes, wordDone) }

func changeLines(changes []access.Change, say wording) []string {
	order, alike, unchanged := groupChanges(changes)
	var lines []string
	shown := 0
	hidden := 0
	for _, key := range order {
		group := alike[key]
		what := ""
		objects := 1
		const many = 5 // in up to so many namespaces each object has a line of its own
		if first := group[0].Ref; len(group) > many {
			names := ListSome(namespacesOf(group))
			what = fmt.Sprintf("%s %s in %d namespaces: %s", first.Kind, first.Name, len(group), names)
			objects = len(group)
			group = group[:1]
		}
		for _, change := range group {
			if shown++; shown > shownAtMost {
				hidden += objects
				continue
			}
			lines = append(
				lines,
				changeLine(change, say(change.Verb, cmp.Or(what, change.Ref.String())))...)
		}
	}
	if hidden > 0 {
		lines = append(
			lines,
			fmt.Sprintf("and %s more; the output `changes` lists all", Plural(hidden, "object")),
		)
	}
	if unchanged > 0 {
		lines = append(lines, say(access.Unchanged, Plural(unchanged, "object")))
	}
	return lines
}

// groupChanges groups changes that differ only in their namespace, and counts the objects that do
// not change.
func groupChanges(
	changes []access.Change,
) (order []string, alike map[string][]access.Change, unchanged int) {
	alike = map[string][]access.Change{}
	for _, change := range changes {
		if change.Verb == access.Unchanged {
			unchanged++
			continue
		}
		key := fmt.Sprintf("%q", []any{
			change.Verb, change.Ref.Kind, change.Ref.Name, change.TakenFrom, change.Details, change.Added,
			change.Removed,
		})
		if alike[key] == nil {
			order = append(order, key)
		}
		alike[key] = append(alike[key], change)
	}
	return order, alike, unchanged
}

func namespacesOf(changes []access.Change) (names []string) {
	for _, change := range changes {
		names = append(names, change.Ref.Namespace)
	}
	return names
}

func changeLine(change access.Change, line string) []string {
	if len(change.TakenFrom) > 0 {
		line += " (taken back from " + strings.Join(change.TakenFrom, ", ") + ")"
	}
	lines := []string{line}
	for _, difference := range change.FormatDifference() {
		lines = append(lines, "             "+difference)
	}
	return lines
}
