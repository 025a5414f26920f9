package app

import (
	"context"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/token"
)

// ensure carries the plan out and mints. What depends on nothing goes out together: namespaces; then ServiceAccount,
// roles and the lease's Secret; then bindings, which need their roles, and the token, which needs account and Secret.
func (m *minting) ensure(ctx context.Context) error {
	var namespaces, first, bindings []access.Change
	for _, change := range m.plan.Changes {
		switch {
		case change.Verb == access.Unchanged:
		case change.Ref.Kind == "Namespace":
			namespaces = append(namespaces, change)
		case change.Apply != nil && access.IsBinding(change.Apply):
			bindings = append(bindings, change)
		default:
			first = append(first, change)
		}
	}
	if err := m.apply(ctx, namespaces); err != nil {
		return err
	}
	if err := m.createLease(ctx, false); err != nil {
		return err
	}
	if err := m.apply(ctx, first, m.bond); err != nil {
		return err
	}
	return m.apply(ctx, bindings, m.mintToken)
}

// apply makes changes, and does what may be done beside them, all at once.
func (m *minting) apply(ctx context.Context, changes []access.Change, beside ...func(context.Context) error) error {
	return cluster.Each(len(changes)+len(beside), func(i int) error {
		if i < len(beside) {
			return beside[i](ctx)
		}
		return m.change(ctx, changes[i-len(beside)])
	})
}

func (m *minting) change(ctx context.Context, change access.Change) error {
	if change.Delete != nil {
		err := m.client.Delete(ctx, change.Delete)
		if err != nil && !cluster.Missing(err) {
			return m.client.Explain(problem.Mint, "delete "+change.Ref.String(), err)
		}
	}
	if change.Apply == nil {
		return nil
	}
	err := m.client.Apply(ctx, change.Apply, change.Force)
	return m.client.Explain(problem.Mint, "apply "+change.Ref.String(), err)
}

// bond creates the lease's Secret.
func (m *minting) bond(ctx context.Context) error {
	if m.lease == nil {
		return nil
	}
	err := m.client.Explain(problem.Mint, "create Secret "+m.lease.Namespace+"/"+m.lease.Name, token.Bond(ctx, m.client, m.lease))
	return hint(err, problem.Rights, "or set `revoke: false`, and the token lives to its expiry without a lease")
}

func (m *minting) mintToken(ctx context.Context) error {
	bound := ""
	if m.lease != nil {
		bound = m.lease.Name
	}
	account := m.desired.Access.ServiceAccount
	minted, err := token.Mint(ctx, m.client, account, m.cfg.Token.Duration, m.cfg.Token.Audiences, bound)
	if err != nil {
		return m.client.Explain(problem.Mint, "mint token for "+account.String(), err)
	}
	m.minted = minted
	m.written.Token = minted.Token
	m.granted()
	return nil
}
