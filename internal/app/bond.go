package app

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
)

// bondTries bounds how often another name is taken: a neighbour wins two races of three.
const bondTries = 20

// bond creates the lease's Secret. Where one of that name is there already, the lease gets another name:
// somebody who watches leases can have made the Secret first, and a token bound to it would outlive its
// lease.
func (m *minting) bond(ctx context.Context) error {
	if m.lease == nil || m.bound != "" {
		return nil
	}
	told := false
	for try := 1; ; try++ {
		name := m.lease.Namespace + "/" + m.lease.Name
		uid, err := lease.Bond(ctx, m.client, m.lease)
		if err == nil {
			m.bound = uid
			leases := m.output.receipt.Leases
			leases[len(leases)-1].SecretUID = uid // saved with the token's hash
			return nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return m.withoutLease(m.client.Explain(problem.Mint, "create Secret "+name, err))
		}
		if try == bondTries {
			return problem.Newf(problem.Mint, "create Secret "+name,
				"it was there already, as were those of %d names before", try-1).
				Hint("somebody may watch leases and create Secrets in namespace %s, and makes the Secret "+
					"of each new lease first: use a `service_account` in a namespace of its own", m.lease.Namespace)
		}
		if !told && !client.Unsure(err) { // else it can be this run's own, made by a request whose answer was lost
			told = true
			m.log.Warnf("somebody else made Secret %s before this run could: it takes another name "+
				"(see who may watch leases and create Secrets in namespace %s)", name, m.lease.Namespace)
		}
		if err := m.renameLease(ctx); err != nil {
			return err
		}
	}
}

// renameLease makes the lease under another name and then deletes the old one, so that at every moment one of
// them is there.
func (m *minting) renameLease(ctx context.Context) error {
	old, record := m.lease, m.output.receipt
	next := lease.Renamed(old, m.desired.Access.ServiceAccount)
	added := receipt.Object{Kind: "Lease", Namespace: next.Namespace, Name: next.Name}
	record.Leases = append(record.Leases, added)
	if err := m.saveReceipt(); err != nil {
		return err
	}
	if err := lease.Create(ctx, m.client, next); err != nil {
		return m.client.Explain(problem.Mint, "create Lease "+next.Namespace+"/"+next.Name, err)
	}
	m.lease = next
	record.Leases[len(record.Leases)-1].UID = next.UID
	if err := m.client.Delete(ctx, old); err != nil && !client.Missing(err) {
		return m.client.Explain(problem.Mint, "delete Lease "+old.Namespace+"/"+old.Name, err)
	}
	record.Leases = slices.DeleteFunc(record.Leases, func(o receipt.Object) bool { return o.Name == old.Name })
	return m.saveReceipt()
}
