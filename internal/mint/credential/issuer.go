package credential

import (
	"context"
	"errors"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/mint/undo"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// Server is the API server as this room asks it.
type Server interface {
	lease.API
	Get(ctx context.Context, o kube.Object) error
	ApplyObject(ctx context.Context, o kube.Object, force bool) (client.Applied, error)
	TokenSecrets(ctx context.Context, namespace string) ([]corev1.Secret, error)
	GetMetadata(ctx context.Context, o *corev1.Secret) error
	Explain(code problem.Code, op string, err error) error
}

// Clock is the API server's.
type Clock interface {
	Now() time.Time
	// ServerTime is zero where the API server has not said its time yet.
	ServerTime() time.Time
}

// Issuer makes the credential of one run. Nothing in it changes.
type Issuer struct {
	Server  Server
	Desired access.Desired
	Token   config.Token
	Clock   Clock
	Log     *console.Log
	Mask    func(secret.Value) error // hides a token from all that is logged after it
	Undo    *undo.Stack
	Remedy  Remedy
}

// Remedy is what a user can do where the cluster lets this run make no lease; each may be "".
type Remedy struct {
	Unserved string // the API server has no leases
	Refused  string // the runner may not make one, or the cluster does not admit it
}

// Issued is a credential.
type Issued struct {
	lease.Minted
	Tether Tether
	Secret *corev1.Secret // of a permanent token
}

// Issue mints the token, or makes the Secret that holds a permanent one. found is such a Secret
// that was there.
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

// Mint requests a token that hangs on the tether.
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
		if client.IsUntouched(err) {
			notSent()
		}
		return lease.Minted{}, i.Server.Explain(problem.Mint, "mint token for "+wanted.Account.String(), err)
	}
	i.Undo.Journal.Note(func(record *receipt.Receipt) { record.ExpiresAt = FormatExpiry(minted) })
	return minted, nil
}

// masked gets a token and masks it. The log is held meanwhile: until the runner knows the mask, it
// must not read anything that others wrote, such as the API server's warning that comes with the
// token.
func (i Issuer) masked(get func() (lease.Minted, error)) (lease.Minted, error) {
	release := i.Log.Hold()
	defer release()
	minted, err := get()
	if minted.Token.IsEmpty() {
		return minted, err
	}
	return minted, errors.Join(err, i.Mask(minted.Token))
}

func (i Issuer) account() types.NamespacedName { return i.Desired.Access.ServiceAccount }

// newLease describes a lease of this run, which says what access its credential depends on.
func (i Issuer) newLease() *coordinationv1.Lease {
	marks := i.Desired.Marks
	marks.Access = i.Desired.Hash()
	return lease.New(i.account(), marks, i.Clock.Now(), i.Token.Lifetime.Duration)
}

// HasLease says whether the credential hangs on a lease.
func (i Issuer) HasLease() bool { return i.Token.Revoke && !i.Token.Lifetime.Permanent }

// Try asks a dry server whether it would admit what the token depends on: lease and Secret, or the
// Secret of a permanent token.
func (i Issuer) Try(ctx context.Context) error {
	switch {
	case i.Token.Lifetime.Permanent:
		holder := lease.NewPermanent(i.account(), i.Desired.Marks)
		_, err := i.Server.ApplyObject(ctx, holder, false)
		err = i.Server.Explain(problem.Mint, "create Secret "+holder.Namespace+"/"+holder.Name, err)
		if _, denied := errors.AsType[*explain.Denial](err); denied || client.IsConflict(err) {
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
