package app

import (
	"cmp"
	"context"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/lease/lock"
)

// openGate prepares the lock. The credential that this run replaces at its output is not in its way.
func (m *minting) openGate() {
	m.early = map[kube.Ref]bool{}
	if m.desired.Ephemeral() {
		return
	}
	m.gate = m.newGate(m.client, m.desired, m.desired.Hash(),
		"name another `service_account` for this pipeline (recommended), or set `ephemeral: true`",
		"or wait for it to end, with a longer `timeout`")
	m.gate.Mine = m.ownLeases()
}

// newGate opens the gate of an account for a run that declares access with this hash.
func (r *run) newGate(client *client.Client, desired access.Desired, hash string, advice ...string) *lock.Gate {
	account := desired.Access.ServiceAccount
	who := cmp.Or(desired.Marks.Run, account.String())
	about := lock.Options{Account: account, Marks: desired.Marks, Holder: lease.EphemeralName(who), Now: r.now}
	return lock.NewGate(client, about, lock.GateOptions{
		Hash: hash, TakeOwnership: desired.Access.TakeOwnership, Timeout: console.Short(r.cfg.Result.Timeout),
		Advice: advice, Log: r.log,
	})
}

// ownLeases are the names of this run's lease, and of those of the credential that it replaces.
func (m *minting) ownLeases() (names []string) {
	if m.lease != nil {
		names = append(names, m.lease.Name)
	}
	if earlier := m.output.earlier; earlier != nil && !m.output.expired {
		for _, lease := range earlier.Leases {
			names = append(names, lease.Name)
		}
	}
	return names
}

// lookAtLock reads the lock, where there is one, beside the observation: a run that changes access then
// takes it at once.
func (m *minting) lookAtLock(ctx context.Context) error {
	if m.gate == nil {
		return nil
	}
	err := m.gate.Look(ctx)
	if discovery.Unserved(err) { // then nobody can have a lease, or the lock
		m.gate = nil
		return nil
	}
	return err
}

// asDeclared says whether the lock names the access that this run declares, or none at all.
func (m *minting) asDeclared() bool {
	return !m.gate.Exists() || m.gate.Hash() == access.Undeclared || m.gate.InEffect() == m.gate.Hash()
}

// mayChangeUnlocked says whether a policy of the cluster keeps the lock from being taken by a run that has no
// lease. Where the policy is against Leases as such, no run can have one.
func (m *minting) mayChangeUnlocked(err error) bool {
	hasLease := m.cfg.Token.Revoke && m.cfg.Token.Duration != config.Permanent
	return !hasLease && (client.PolicyDenied(err) || client.NotAdmitted(err))
}

// goUnlocked goes on without the lock, where no live credential is seen that depends on other access.
func (m *minting) goUnlocked(ctx context.Context, err error) (context.Context, *lock.Obstacle, error) {
	inTheWay, listErr := m.gate.Dependents(ctx)
	if listErr != nil || inTheWay != nil {
		return ctx, inTheWay, listErr
	}
	m.log.Warnf("another run that changes the access of ServiceAccount %s at this moment is not noticed: %s",
		m.desired.Access.ServiceAccount, err)
	m.gate = nil
	return ctx, nil, nil
}
