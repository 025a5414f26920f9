package app

import (
	"context"
	"errors"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/token"
)

// dryRun reads, plans, has the API server say what it would answer, and prints: neither receipt nor lease, and no token.
func (m *minting) dryRun(ctx context.Context) error {
	if err := m.platform.Ready(); err != nil {
		return err
	}
	m.openGate()
	look := func(ctx context.Context) error {
		err := m.lookAtLock(ctx)
		if _, denied := errors.AsType[*cluster.Denial](err); denied {
			m.gate = nil // mayMint says so, with all else that is lacking
			return nil
		}
		return err
	}
	err := m.apply(ctx, nil, m.checkServed, m.read, m.client.Recognise, look)
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
	err = m.apply(ctx, m.askable(), m.mayMint, m.foresee)
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

// foresee says who would hold the run back now, and asks whether the runner may take the lock. It takes nothing.
func (m *minting) foresee(ctx context.Context) error {
	if m.gate == nil {
		return nil
	}
	if m.gate.Busy() {
		m.log.Printf("note: a run would have to wait now: %s", m.gate.Describe())
	}
	asDeclared := !m.gate.Exists() || m.gate.InEffect() == m.gate.hash || m.gate.hash == access.Undeclared
	if !m.changesAccess() && asDeclared {
		return nil
	}
	inTheWay, _, err := m.gate.others(ctx)
	if err != nil {
		return err
	}
	for _, c := range inTheWay {
		how := "a run would have to wait for it now"
		if m.desired.Access.TakeOwnership {
			how = "a run would change the access under it now"
		}
		m.log.Printf("note: %s: %s", how, c)
	}
	if m.gate.Busy() || m.planned[access.Ref{Kind: "Namespace", Name: m.gate.Ref().Namespace}] {
		return nil // what the API server says of a lock that another run changes is of no use a moment later
	}
	err = m.gate.Try(ctx, m.client)
	return m.client.Explain(problem.Mint, "take the lock, "+m.gate.Ref().String(), err)
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
			"the runner's identity lacks these rules in namespace %s", need.Namespace).Detail(pasteable(lacks)...).
			Hint("give it these rules: see who it is with  kubectl auth whoami").Hint("%s", cluster.Bootstrap(""))
	}
	return nil
}

func (m *minting) showPlan() {
	m.log.List("warning: ", m.plan.Warnings)
	m.log.Show(m.plan)
}
