package app

import (
	"context"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/proof"
)

// needs are the rights that the run takes of the runner's identity: a first run, or one that finds all in place.
func (m *minting) needs(steady bool) []access.Need {
	secret := lease.NewPermanent(m.desired.Access.ServiceAccount, access.Marks{}).Name
	return access.Needs(m.desired, m.cfg.Token, m.cfg.Source.Expect, secret, steady)
}

// refused adds to a refusal all that would be refused next.
func (m *minting) refused(ctx context.Context, err error) error {
	return proof.Complete(ctx, m.client, m.needs(false), err)
}
