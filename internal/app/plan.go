package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/rules"
)

// dryRun reads, plans and prints: neither receipt nor lease, and no token.
func (m *minting) dryRun(ctx context.Context) error {
	if err := m.platform.Ready(); err != nil {
		return err
	}
	if err := m.read(ctx); err != nil {
		return err
	}
	var err error
	if m.plan, err = access.Diff(m.desired, m.observed); err != nil {
		return err
	}
	if err := m.namespaces(ctx); err != nil {
		return err
	}
	m.showPlan()
	m.log.printf("dry run: nothing was changed and nothing minted")
	changes, err := changesJSON(m.plan)
	if err != nil {
		return err
	}
	result := platform.Result{Outputs: []platform.Output{{Name: "changes", Value: changes}}}
	return m.platform.Publish(result)
}

// namespaces looks whether those exist in which the plan would create something: a run learns that from the refusal.
func (m *minting) namespaces(ctx context.Context) error {
	if m.desired.Access.CreateNamespace {
		return nil
	}
	var names []string
	for _, change := range m.plan.Changes {
		if name := change.Ref.Namespace; change.Verb == access.Created && name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return cluster.Each(len(names), func(i int) error {
		ref := access.Ref{Kind: "Namespace", Name: names[i]}
		if err := m.client.Get(ctx, cluster.Empty(ref)); cluster.Missing(err) {
			return m.client.Explain(problem.Rights, "use "+ref.String(), err)
		}
		return nil // it is there, or the runner's identity may not know
	})
}

// shownAtMost keeps the change set readable; the output `changes` has all of it.
const shownAtMost = 50

func (m *minting) showPlan() {
	for _, warning := range m.plan.Warnings {
		m.log.warnf("%s", warning)
	}
	for _, line := range changeLines(m.plan) {
		m.log.printf("%s", line)
	}
}

// changeLines is the change set for people: what happens to each object, and below it which rules come and go.
func changeLines(plan access.Plan) []string {
	var lines []string
	unchanged := 0
	shown := 0
	for _, change := range plan.Changes {
		if change.Verb == access.Unchanged {
			unchanged++
			continue
		}
		if shown++; shown > shownAtMost {
			continue
		}
		line := fmt.Sprintf("%-10s %s", change.Verb, change.Ref)
		if len(change.TakenFrom) > 0 {
			line += " (taken back from " + strings.Join(change.TakenFrom, ", ") + ")"
		}
		lines = append(lines, line)
		for _, rule := range rules.Format(change.Added) {
			lines = append(lines, "             + "+rule)
		}
		for _, rule := range rules.Format(change.Removed) {
			lines = append(lines, "             - "+rule)
		}
	}
	if shown > shownAtMost {
		lines = append(lines, fmt.Sprintf("and %s more; the output `changes` lists all", plural(shown-shownAtMost, "object")))
	}
	if unchanged > 0 {
		lines = append(lines, fmt.Sprintf("%-10s %s", access.Unchanged, plural(unchanged, "object")))
	}
	return lines
}
