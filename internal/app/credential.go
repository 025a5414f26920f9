package app

import (
	"cmp"
	"context"
	"errors"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
)

// advise warns of a lifetime that will not serve.
func (m *minting) advise() {
	asked := m.cfg.Token
	if asked.Duration == config.Permanent {
		m.log.Warnf("a permanent token never expires, is not revoked at the end of the job, and whoever reads it has the access for good: " +
			"a token with a duration and a step that mints a new one serves nearly everything")
		return
	}
	if job := m.platform.JobTimeout(); !m.private && asked.Duration < job {
		m.log.Warnf("the job may run for %s, longer than the token lives (%s): a later step could be refused", job, asked.Asked)
	}
}

// newLease describes the lease of this run, which says what access its credential depends on.
func (m *minting) newLease() *coordinationv1.Lease {
	marks := m.desired.Marks
	marks.Access = m.desired.Hash()
	return lease.New(m.desired.Access.ServiceAccount, marks, m.now(), m.cfg.Token.Duration)
}

// createLeaseEarly makes the lease while the cluster is observed. A namespace that is missing then may be one that this
// run is about to create.
func (m *minting) createLeaseEarly(ctx context.Context) error { return m.createLease(ctx, true) }

func (m *minting) createLease(ctx context.Context, early bool) error {
	if m.lease == nil || m.leased {
		return nil
	}
	err := lease.Create(ctx, m.client, m.lease)
	m.maybe = !client.Untouched(err)
	// Before this answer the API server had not said its time.
	if wrong := m.lease; err == nil && m.now().Sub(wrong.Spec.AcquireTime.Time).Abs() > time.Minute {
		// Made anew, as CreateLease does with one that is there, and not changed: the runner's identity need not have that right.
		m.lease = m.newLease()
		m.lease.Name = wrong.Name
		err = lease.Create(ctx, m.client, m.lease)
	}
	if early && m.desired.Access.CreateNamespace && client.NamespaceMissing(err) {
		return nil
	}
	if err != nil {
		err := m.client.Explain(problem.Mint, "create Lease "+m.lease.Namespace+"/"+m.lease.Name, err)
		return m.withoutLease(err)
	}
	m.leased = true
	leases := m.output.receipt.Leases
	leases[len(leases)-1].UID = m.lease.UID // as the API server gave it
	return m.saveReceipt()
}

// withoutLease adds the way out where the runner's identity may not make what a lease consists of, or the
// cluster does not admit it.
func (m *minting) withoutLease(err error) error {
	const remedy = "or set `revoke: false`, and the token lives to its expiry without a lease"
	_, denied := errors.AsType[*explain.Denial](err)
	switch {
	case discovery.Unserved(err):
		return m.adviseRevokeFalse(err)
	case m.desired.Ephemeral(), m.private: // neither goes without a lease
		return err
	case denied:
		return hint(err, problem.Rights, remedy)
	case client.NotAdmitted(err):
		return hint(err, problem.Mint, remedy)
	}
	return err
}

// withoutSecret adds the way out where the cluster does not admit the Secret of a permanent token.
func withoutSecret(err error) error {
	if client.NotAdmitted(err) {
		return hint(err, problem.Mint,
			"or give `duration` a lifetime, with `revoke: false`: such a token needs no Secret")
	}
	return err
}

// credential mints the token, or makes the Secret that holds a permanent one.
func (m *minting) credential(ctx context.Context) error {
	if m.cfg.Token.Duration == config.Permanent {
		return m.permanentToken(ctx)
	}
	if err := m.mintToken(ctx); err != nil {
		return err
	}
	if asked := m.cfg.Token; asked.Strict && m.minted.Shortened(asked.Duration) {
		return problem.Newf(problem.Mint, "mint token for "+m.desired.Access.ServiceAccount.String(), "%s", m.shortened()).
			Hint("ask for a `duration` that the cluster grants: %s", lifetimeCaps).
			Hint("or leave `on_shortened` out, and the shortened token is used")
	}
	return nil
}

func (m *minting) mintToken(ctx context.Context) error {
	wanted := lease.Wanted{
		Account: m.desired.Access.ServiceAccount, UID: m.accountUID(),
		Lifetime: m.cfg.Token.Duration, Audiences: m.cfg.Token.Audiences, Now: m.trace.ServerTime,
	}
	if m.lease != nil {
		wanted.BoundTo = m.lease.Name
		wanted.BoundUID = m.bound
	}
	minted, err := m.masked(func() (lease.Minted, error) { return lease.Mint(ctx, m.client, wanted) })
	m.asked = m.asked || !client.Untouched(err)
	if err != nil {
		return m.client.Explain(problem.Mint, "mint token for "+wanted.Account.String(), err)
	}
	m.minted = minted
	return nil
}

// masked gets a token and masks it. The log is held meanwhile: until the runner knows the mask, it must not read anything
// that others wrote, such as the API server's warning that comes with the token.
func (m *minting) masked(get func() (lease.Minted, error)) (lease.Minted, error) {
	release := m.log.Hold()
	defer release()
	minted, err := get()
	if minted.Token.Empty() {
		return minted, err
	}
	return minted, errors.Join(err, m.platform.Mask(minted.Token))
}

// accountUID is the ServiceAccount's as this run made or found it.
func (m *minting) accountUID() types.UID {
	for _, o := range m.desired.Objects {
		if ref := kube.RefOf(o); ref.Kind == "ServiceAccount" {
			return cmp.Or(m.observed.Objects[ref], o).GetUID()
		}
	}
	return ""
}

// findPermanent looks for a token Secret of the ServiceAccount: ours by its name, and one that others made by a list,
// where the runner's identity may. Two of them would be two credentials to watch.
func (m *minting) findPermanent(ctx context.Context) error {
	if m.cfg.Token.Duration != config.Permanent {
		return nil
	}
	_, err := m.masked(func() (lease.Minted, error) {
		err := m.lookForPermanent(ctx)
		return lease.Minted{Token: lease.In(m.permanent)}, err
	})
	return err
}

func (m *minting) lookForPermanent(ctx context.Context) error {
	account := m.desired.Access.ServiceAccount
	ours := lease.NewPermanent(account, m.desired.Marks)
	op := "read Secret " + ours.Namespace + "/" + ours.Name
	err := m.client.Get(ctx, ours)
	switch {
	case err == nil && !lease.HoldsTokenOf(ours, account):
		return problem.Newf(problem.Rights, op, "it exists and holds no token of ServiceAccount %s", account).
			Hint("delete it, or name another `service_account`")
	case err == nil:
		m.permanent = ours
		return nil
	case !client.Missing(err):
		return m.client.Explain(problem.Mint, op, err)
	}
	secrets, err := m.client.TokenSecrets(ctx, account.Namespace)
	if client.Forbidden(err) {
		m.log.Printf("note: Secrets may not be listed by the runner's identity: a token Secret that others made is not looked for")
		return nil
	}
	if err != nil {
		return m.client.Explain(problem.Mint, "list Secrets", err)
	}
	for i := range secrets {
		if lease.HoldsTokenOf(&secrets[i], account) {
			m.permanent = &secrets[i]
			return nil
		}
	}
	return nil
}

// permanentToken makes the Secret, after its ServiceAccount (made before, it is deleted again: kubernetes#111556), and
// waits until it is filled in.
func (m *minting) permanentToken(ctx context.Context) error {
	account := m.desired.Access.ServiceAccount
	if m.permanent == nil {
		m.permanent = lease.NewPermanent(account, m.desired.Marks)
		err := m.client.Apply(ctx, m.permanent, false) // unlike a POST it shows the authorizer the name
		if m.made = !client.Untouched(err); m.made {   // it may be there, although the answer was lost
			m.output.receipt.Objects = append(m.output.receipt.Objects, object(m.permanent, "Secret"))
			if err := m.saveReceipt(); err != nil {
				return err
			}
		}
		if err != nil && !client.Conflict(err) { // then it is this run's, or that of another one beside it
			op := "create Secret " + m.permanent.Namespace + "/" + m.permanent.Name
			return withoutSecret(m.client.Explain(problem.Mint, op, err))
		}
	}
	minted, err := m.awaitPermanent(ctx)
	if err != nil {
		return m.client.Explain(problem.Mint, "await token in Secret "+m.permanent.Namespace+"/"+m.permanent.Name, err)
	}
	m.minted = minted
	return nil
}

func (m *minting) awaitPermanent(ctx context.Context) (lease.Minted, error) {
	await := func() (lease.Minted, error) {
		return lease.AwaitPermanent(ctx, m.client, m.permanent, m.desired.Access.ServiceAccount, m.accountUID())
	}
	if !lease.In(m.permanent).Empty() {
		return await() // masked when it was found
	}
	return m.masked(await)
}

// object names what is on the server in the receipt.
func object(o kube.Object, kind string) receipt.Object {
	return receipt.Object{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName(), UID: o.GetUID()}
}
