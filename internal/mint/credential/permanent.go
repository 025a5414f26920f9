package credential

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/mint/undo"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

// FindPermanent looks for a token Secret of the ServiceAccount, if a permanent token is asked for.
// It gets ours by name, and finds one that others made by a list, if the runner's identity may
// list: two Secrets would be two credentials to watch. It masks the token in the Secret.
func (i Issuer) FindPermanent(ctx context.Context) (found *corev1.Secret, err error) {
	if !i.Token.Lifetime.Permanent {
		return nil, nil //nolint:nilnil // none is asked for
	}
	_, err = i.masked(func() (lease.Minted, error) {
		var err error
		found, err = i.lookForPermanent(ctx)
		return lease.Minted{Token: lease.TokenIn(found)}, err
	})
	return found, err
}

func (i Issuer) lookForPermanent(ctx context.Context) (*corev1.Secret, error) {
	ours := lease.NewPermanent(i.account(), i.Desired.Marks)
	op := "read Secret " + ours.Namespace + "/" + ours.Name
	err := i.Server.Get(ctx, ours)
	switch {
	case err == nil && !lease.HoldsTokenOf(ours, i.account()):
		return nil, problem.Newf(
			problem.Rights, op, "it exists and holds no token of ServiceAccount %s", i.account(),
		).
			Hint("delete it, or name another `service_account`")
	case err == nil:
		return ours, nil
	case !answer.IsMissing(err):
		return nil, i.Server.Explain(problem.Mint, op, err)
	}
	secrets, err := i.Server.TokenSecrets(ctx, i.account().Namespace)
	if answer.IsForbidden(err) {
		i.Log.Printf("note: Secrets may not be listed by the runner's identity: a token Secret that " +
			"others made is not looked for")
		return nil, nil //nolint:nilnil // none is known
	}
	if err != nil {
		return nil, i.Server.Explain(problem.Mint, "list Secrets", err)
	}
	for at := range secrets {
		if lease.HoldsTokenOf(&secrets[at], i.account()) {
			return &secrets[at], nil
		}
	}
	return nil, nil //nolint:nilnil // not found
}

// makePermanent makes the Secret, and waits until it is filled in. The ServiceAccount has to exist:
// without it the Secret is deleted again (kubernetes#111556).
func (i Issuer) makePermanent(
	ctx context.Context, holder *corev1.Secret, account types.UID,
) (Issued, error) {
	var err error
	if holder == nil {
		if holder, err = i.applyPermanent(ctx); err != nil {
			return Issued{}, err
		}
	}
	minted, err := i.awaitPermanent(ctx, holder, account)
	if err != nil {
		return Issued{}, i.Server.Explain(
			problem.Mint, "await token in Secret "+holder.Namespace+"/"+holder.Name, err,
		)
	}
	return Issued{Minted: minted, Secret: holder}, nil
}

func (i Issuer) applyPermanent(ctx context.Context) (*corev1.Secret, error) {
	holder := lease.NewPermanent(i.account(), i.Desired.Marks)
	recorded := nameSecret(holder)
	entry := i.Undo.Push(undo.Credentials,
		"a credential may live on: remove it with  "+revoke.DeleteCommand(recorded),
		func(ctx context.Context) error {
			return i.Undo.Revoker.Object(ctx, i.Undo.Journal.Record(), recorded)
		})
	// unlike a POST it shows the authorizer the name
	applied, err := i.Server.ApplyObject(ctx, holder, false)
	if answer.IsUntouched(err) {
		entry.Drop()
	} else { // it may be there, although the answer was lost
		holder.UID = applied.UID
		recorded.UID = applied.UID
		saveErr := i.Undo.Journal.Update(func(record *receipt.Receipt) {
			record.Objects = append(record.Objects, recorded)
		})
		if saveErr != nil {
			return nil, saveErr
		}
	}
	// On a conflict the Secret is this run's or a concurrent run's.
	if err != nil && !answer.IsConflict(err) {
		return nil, WithoutSecret(
			i.Server.Explain(problem.Mint, "create Secret "+holder.Namespace+"/"+holder.Name, err),
		)
	}
	return holder, nil
}

// nameSecret names the Secret of a permanent token in the receipt.
func nameSecret(holder *corev1.Secret) receipt.Object {
	return receipt.Object{Kind: "Secret", Namespace: holder.Namespace, Name: holder.Name, UID: holder.UID}
}

// WithoutSecret adds a hint if the cluster does not admit the Secret of a permanent token.
func WithoutSecret(err error) error {
	if answer.NotAdmitted(err) {
		return problem.AddHint(err, problem.Mint,
			"or give `duration` a lifetime, with `revoke: false`: such a token needs no Secret")
	}
	return err
}

func (i Issuer) awaitPermanent(
	ctx context.Context, holder *corev1.Secret, account types.UID,
) (lease.Minted, error) {
	await := func() (lease.Minted, error) {
		return lease.AwaitPermanent(ctx, i.Server, holder, i.account(), account)
	}
	if !lease.TokenIn(holder).IsEmpty() {
		return await() // masked when it was found
	}
	return i.masked(await)
}

// Theirs is the Secret of a permanent token that somebody else made: none, or one.
func (i Issued) Theirs(account types.NamespacedName) []receipt.Object {
	if i.Secret == nil || kube.IsManaged(i.Secret, account) {
		return nil
	}
	return []receipt.Object{nameSecret(i.Secret)}
}

// Own is the Secret of a permanent token that is ours: none, or one.
func (i Issued) Own(account types.NamespacedName) []receipt.Object {
	if i.Secret == nil || !kube.IsManaged(i.Secret, account) {
		return nil
	}
	return []receipt.Object{nameSecret(i.Secret)}
}

// NotePermanent warns where a token that never expires has the access that changes. It is found by
// its Secret's name, whose metadata alone is asked for; a runner that may not read Secrets does not
// find it.
func (i Issuer) NotePermanent(ctx context.Context) {
	holder := lease.NewPermanent(i.account(), i.Desired.Marks)
	if i.Server.GetMetadata(ctx, holder) == nil {
		i.Log.Warnf("%s holds a permanent token of ServiceAccount %s: whoever has it gets the changed access too",
			kube.RefOf(holder), i.account())
	}
}
