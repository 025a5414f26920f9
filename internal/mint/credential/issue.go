package credential

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
)

// Issue mints the token, or makes the Secret that holds a permanent one. found is such a Secret
// that existed already.
func (i Issuer) Issue(
	ctx context.Context, t Tether, found *corev1.Secret, account types.UID,
) (Issued, error) {
	if i.Token.Lifetime.Permanent {
		return i.makePermanent(ctx, found, account)
	}
	minted, err := i.Mint(ctx, t, account)
	if err == nil && i.Token.Strict && minted.IsShortened(i.Token.Lifetime.Duration) {
		err = problem.Newf(
			problem.Mint, "mint token for "+i.account().String(), "%s", DescribeShortened(minted, i.Token),
		).
			Hint("ask for a `duration` that the cluster grants: %s", LifetimeCaps).
			Hint("or leave `on_shortened` out, and the shortened token is used")
	}
	return Issued{Minted: minted, Tether: t}, err
}

// Mint requests a token that is bound to the tether.
func (i Issuer) Mint(ctx context.Context, t Tether, account types.UID) (lease.Minted, error) {
	wanted := lease.Wanted{
		Account: i.account(), UID: account,
		Lifetime: i.Token.Lifetime.Duration, Audiences: i.Token.Audiences, Now: i.Clock.ServerTime,
	}
	notSent := func() {}
	if t.Lease != nil {
		wanted.BoundTo = t.Lease.Name
		wanted.BoundUID = t.secret
		notSent = t.undo.RequestToken()
	}
	minted, err := i.masked(func() (lease.Minted, error) { return lease.Mint(ctx, i.Server, wanted) })
	if err != nil {
		if answer.IsUntouched(err) {
			notSent()
		}
		return lease.Minted{}, i.Server.Explain(problem.Mint, "mint token for "+wanted.Account.String(), err)
	}
	i.Undo.Journal.Note(func(record *receipt.Receipt) { record.ExpiresAt = FormatExpiry(minted) })
	return minted, nil
}

// Try asks a dry server whether it would admit what the token depends on: lease and Secret, or the
// Secret of a permanent token.
func (i Issuer) Try(ctx context.Context) error {
	switch {
	case i.Token.Lifetime.Permanent:
		holder := lease.NewPermanent(i.account(), i.Desired.Marks)
		_, err := i.Server.ApplyObject(ctx, holder, false)
		err = i.Server.Explain(problem.Mint, "create Secret "+holder.Namespace+"/"+holder.Name, err)
		if _, denied := errors.AsType[*explain.Denial](err); denied || answer.IsConflict(err) {
			return nil // it is there, or an identity for steady runs need not make it
		}
		return WithoutSecret(err)
	case i.Token.Revoke:
		its := i.newLease()
		name := its.Namespace + "/" + its.Name
		if err := lease.Create(ctx, i.Server, its); err != nil {
			return i.withoutLease(i.Server.Explain(problem.Mint, "create Lease "+name, err))
		}
		if _, err := lease.CreateBond(ctx, i.Server, its); err != nil {
			return i.withoutLease(i.Server.Explain(problem.Mint, "create Secret "+name, err))
		}
	}
	return nil
}
