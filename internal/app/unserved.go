package app

import (
	"errors"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/proof"
)

// newProof is what is known of the new credential so far: nothing.
func (m *minting) newProof() *proof.Proof {
	return &proof.Proof{
		Account:  m.desired.Access.ServiceAccount,
		Declared: proof.DeclaresReviews(m.desired),
		Good:     m.prover.clients[0],
		Broken: func() (proof.Server, func(), error) {
			p, err := m.newProver(m.written)
			if err != nil {
				return nil, nil, err
			}
			broken := m.minted.Token.Broken()
			p.token.Store(&broken)
			return p.clients[0], p.close, nil
		},
	}
}

// adviseRevokeFalse adds the way out on a server without leases.
func (m *minting) adviseRevokeFalse(err error) error {
	remedy := "set `revoke: false`: the token then has no lease, and lives to its expiry"
	switch {
	case m.private:
		remedy = "kubemint exec ends a credential by its lease: " +
			"here only `kubemint mint` works, with `revoke: false`"
	case m.desired.Ephemeral():
		remedy = "an ephemeral identity takes a lease: leave `ephemeral` out, and " + remedy
	}
	return hint(err, problem.Mint, remedy)
}

// tellTokenLives says of a run that failed after it had a token without a lease that the token lives.
func (m *minting) tellTokenLives(err error) error {
	if m.lease != nil || m.minted.Token.Empty() || m.minted.Permanent() {
		return err
	}
	p, ok := errors.AsType[*problem.Error](err)
	if ok {
		p.Hint("a token of ServiceAccount %s was minted without a lease (`revoke: false`), and nobody has it; "+
			"it is valid until %s", m.desired.Access.ServiceAccount, m.expiry())
	}
	return err
}
