package app

import (
	"context"
	"errors"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/proof"
)

// dryRun reads, plans, has the API server say what it would answer, and prints: neither receipt nor lease, and no token.
func (m *minting) dryRun(ctx context.Context) error {
	if err := m.platform.Ready(); err != nil {
		return err
	}
	m.openGate()
	look := func(ctx context.Context) error {
		err := m.lookAtLock(ctx)
		if _, denied := errors.AsType[*explain.Denial](err); denied {
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
	m.planned = map[kube.Ref]bool{}
	for _, change := range m.plan.Changes {
		m.planned[change.Ref] = change.Verb == access.Created || len(change.Removed) > 0
	}
	m.client = m.client.Dry()
	err = m.apply(ctx, m.askable(), m.mayMint, m.foresee)
	m.warn()
	m.log.ShowPlanned(m.plan)
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
		return change.Verb == access.Unchanged || m.planned[kube.Ref{Kind: "Namespace", Name: change.Ref.Namespace}]
	})
}

// foresee says who would hold the run back now.
func (m *minting) foresee(ctx context.Context) error {
	if m.gate == nil {
		return nil
	}
	if m.gate.Busy() {
		m.log.Printf("note: a run would have to wait now: %s", m.gate.Describe())
	}
	if !m.changesAccess() && m.asDeclared() {
		return nil
	}
	inTheWay, _, err := m.gate.OfOtherAccess(ctx)
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
	return nil
}

// tryLock asks whether the runner may take the lock, where the run would. What the API server says of a lock
// that another run holds is of no use a moment later.
func (m *minting) tryLock(ctx context.Context) error {
	if m.gate == nil || m.gate.Busy() || (!m.changesAccess() && m.asDeclared()) {
		return nil
	}
	err := m.gate.Try(ctx, m.client)
	if m.mayChangeUnlocked(err) {
		return nil
	}
	return m.client.Explain(problem.Mint, "take the lock, "+m.gate.Ref().String(), err)
}

// mayMint asks what a plan cannot try: whether the runner's identity may make lease, Secret and token.
func (m *minting) mayMint(ctx context.Context) error {
	account := m.desired.Access.ServiceAccount
	for _, need := range m.needs(!m.desired.Ephemeral()) {
		if need.Namespace != account.Namespace {
			continue
		}
		lacks, err := proof.Lacks(ctx, m.client, need.Namespace, need.Rules)
		if discovery.Unserved(err) {
			m.log.Printf("note: %s: what the runner's identity may do is not known before it is tried", err)
			return m.admitted(ctx)
		}
		if err != nil {
			return m.client.Explain(problem.Mint, "ask what the runner's identity may do", err)
		}
		if len(lacks) == 0 {
			return m.admitted(ctx)
		}
		return problem.Newf(problem.Rights, "mint token for "+account.String(),
			"the runner's identity lacks these rules in namespace %s", need.Namespace).Detail(explain.Pasteable(lacks)...).
			Hint("give it these rules: see who it is with  kubectl auth whoami").Hint("%s", explain.Bootstrap(""))
	}
	return nil
}

// admitted asks admission for what the token will depend on: lease and Secret, or the Secret of a permanent token. In a
// namespace that is only planned there is nobody to ask.
func (m *minting) admitted(ctx context.Context) error {
	account := m.desired.Access.ServiceAccount
	switch asked := m.cfg.Token; {
	case m.planned[kube.Ref{Kind: "Namespace", Name: account.Namespace}]:
		return nil
	case asked.Duration == config.Permanent:
		secret := lease.NewPermanent(account, m.desired.Marks)
		op := "create Secret " + secret.Namespace + "/" + secret.Name
		err := m.client.Explain(problem.Mint, op, m.client.Apply(ctx, secret, false))
		if _, denied := errors.AsType[*explain.Denial](err); err != nil && !denied && !client.Conflict(err) {
			return withoutSecret(err) // else it is there, or an identity for steady runs need not make it
		}
	case asked.Revoke:
		its := m.newLease()
		name := its.Namespace + "/" + its.Name
		if err := lease.Create(ctx, m.client, its); err != nil {
			return m.withoutLease(m.client.Explain(problem.Mint, "create Lease "+name, err))
		}
		if _, err := lease.Bond(ctx, m.client, its); err != nil {
			return m.withoutLease(m.client.Explain(problem.Mint, "create Secret "+name, err))
		}
	}
	return m.tryLock(ctx)
}
