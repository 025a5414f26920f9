package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/token"

	"github.com/kubemint/kubemint/internal/console"
)

// dryRun reads, plans, has the API server say what it would answer, and prints: neither receipt nor lease, and no token.
func (m *minting) dryRun(ctx context.Context) error {
	if err := m.platform.Ready(); err != nil {
		return err
	}
	err := m.apply(ctx, nil, m.checkServed, m.read, m.client.Recognise)
	if err != nil {
		return err
	}
	if m.plan, err = access.Diff(m.desired, m.observed); err != nil {
		return err
	}
	m.planned = map[access.Ref]bool{}
	for _, change := range m.plan.Changes {
		m.planned[change.Ref] = change.Verb == access.Created || len(change.Removed) > 0
	}
	m.client = m.client.Dry()
	err = m.apply(ctx, m.askable(), m.mayMint)
	m.showPlan()
	if err != nil {
		return err
	}
	m.log.Printf("dry run: nothing was changed and nothing minted")
	changes, err := changesJSON(m.plan)
	if err != nil {
		return err
	}
	result := platform.Result{Outputs: []platform.Output{{Name: "changes", Value: changes}}}
	return m.platform.Publish(result)
}

// askable are the changes that a dry run can ask about: not those in a namespace that is itself only planned.
func (m *minting) askable() []access.Change {
	return slices.DeleteFunc(slices.Clone(m.plan.Changes), func(change access.Change) bool {
		return change.Verb == access.Unchanged || m.planned[access.Ref{Kind: "Namespace", Name: change.Ref.Namespace}]
	})
}

// mayMint asks what a plan cannot try: whether the runner's identity may make lease, Secret and token.
func (m *minting) mayMint(ctx context.Context) error {
	account := m.desired.Access.ServiceAccount
	for _, need := range m.needs(!m.desired.Ephemeral()) {
		if need.Namespace != account.Namespace {
			continue
		}
		lacks, err := token.Lacks(ctx, m.client, need.Namespace, need.Rules)
		if err != nil || len(lacks) == 0 {
			return m.client.Explain(problem.Mint, "ask what the runner's identity may do", err)
		}
		return problem.Newf(problem.Rights, "mint token for "+account.String(),
			"the runner's identity lacks in namespace %s:%s", need.Namespace, pasteable(lacks)).
			Hint("give it these rules: see who it is with  kubectl auth whoami").Hint("%s", cluster.Bootstrap(""))
	}
	return nil
}

// shownAtMost keeps the change set readable; the output `changes` has all of it.
const shownAtMost = 50

func (m *minting) showPlan() {
	m.log.List("warning: ", m.plan.Warnings)
	m.show(m.plan)
}

func (r *run) show(plan access.Plan) {
	for _, line := range changeLines(plan) {
		r.log.Printf("%s", line)
	}
}

// changeLines is the change set for people: what happens to each object, and below it which rules come and go. What is the
// same in many namespaces is one line.
func changeLines(plan access.Plan) []string {
	const many = 5 // in up to so many namespaces each object has a line of its own
	var order []string
	alike := map[string][]access.Change{}
	unchanged := 0
	for _, change := range plan.Changes {
		if change.Verb == access.Unchanged {
			unchanged++
			continue
		}
		key := fmt.Sprint(change.Verb, change.Ref.Kind, change.Ref.Name, change.TakenFrom, change.Details, change.Added, change.Removed)
		if alike[key] == nil {
			order = append(order, key)
		}
		alike[key] = append(alike[key], change)
	}
	var lines []string
	shown, hidden := 0, 0
	for _, key := range order {
		group, what, objects := alike[key], "", 1
		if first := group[0].Ref; len(group) > many {
			what = fmt.Sprintf("%s %s in %d namespaces: %s", first.Kind, first.Name, len(group), console.Some(namespacesOf(group)))
			group, objects = group[:1], len(group)
		}
		for _, change := range group {
			if shown++; shown > shownAtMost {
				hidden += objects
				continue
			}
			lines = append(lines, changeLine(change, cmp.Or(what, change.Ref.String()))...)
		}
	}
	if hidden > 0 {
		lines = append(lines, fmt.Sprintf("and %s more; the output `changes` lists all", console.Plural(hidden, "object")))
	}
	if unchanged > 0 {
		lines = append(lines, fmt.Sprintf("%-10s %s", access.Unchanged, console.Plural(unchanged, "object")))
	}
	return lines
}

func namespacesOf(changes []access.Change) (names []string) {
	for _, change := range changes {
		names = append(names, change.Ref.Namespace)
	}
	return names
}

func changeLine(change access.Change, what string) []string {
	line := fmt.Sprintf("%-10s %s", change.Verb, what)
	if len(change.TakenFrom) > 0 {
		line += " (taken back from " + strings.Join(change.TakenFrom, ", ") + ")"
	}
	lines := []string{line}
	for _, difference := range access.Difference(change.Added, change.Removed, change.Details) {
		lines = append(lines, "             "+difference)
	}
	return lines
}
