package app

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

// doomed is the credential that hangs on a lease of the record.
func doomed(record *receipt.Receipt, its receipt.Object) revoke.Doomed {
	name := lease.AccountOf(its.Name, record.Account.Name)
	account := types.NamespacedName{Namespace: its.Namespace, Name: name}
	return revoke.Doomed{Account: account, Lease: its.Name, UID: its.UID, Secret: its.SecretUID}
}

// endCredential ends a credential. Its error says what is left of it, until when that lives, and the command
// that ends it; remedy is for a lease that could not be deleted at all.
func endCredential(ctx context.Context, client *client.Client, doomed revoke.Doomed, until, remedy string) error {
	name := doomed.Account.Namespace + "/" + doomed.Lease
	err := revoke.End(ctx, client, doomed)
	alive, ok := errors.AsType[*revoke.AliveError](err)
	if !ok {
		return hint(client.Explain(problem.Revoke, "delete Lease "+name, err), problem.Revoke, remedy)
	}
	p := problem.New(problem.Revoke, "revoke the credential of Lease "+name, alive)
	if fault, ok := errors.AsType[*problem.Error](client.Explain(problem.Revoke, p.Op, alive.Fault)); ok {
		alive.Fault, p.Hints = fault.Cause, fault.Hints
	}
	p.Hints = append(p.Hints, alive.Hints(until)...)
	return p
}

// mayLive are the leases that this run has made, or may have made.
func (m *minting) mayLive() []receipt.Object {
	if !m.maybe {
		return nil
	}
	earlier := m.output.earlier
	return slices.DeleteFunc(slices.Clone(m.output.receipt.Leases), func(lease receipt.Object) bool {
		same := func(o receipt.Object) bool { return o.Namespace == lease.Namespace && o.Name == lease.Name }
		return earlier != nil && slices.ContainsFunc(earlier.Leases, same)
	})
}

// endOwn ends what hangs on a lease of this run. Where no token was requested, nobody can have one.
func (m *minting) endOwn(ctx context.Context, lease receipt.Object) error {
	ends := doomed(m.output.receipt, lease)
	remedy := "a credential may live on: remove it with  " + deleteCommand(lease)
	if m.asked {
		return endCredential(ctx, m.client, ends, cmp.Or(m.expiry(), "it expires"), remedy)
	}
	err := revoke.Discard(ctx, m.client, ends)
	err = m.client.Explain(problem.Revoke, "delete Lease "+lease.Namespace+"/"+lease.Name, err)
	if _, nobody := client.Unrecognised(err); nobody {
		return nil // the runner has been told that it is nobody; it has no token, and may not have made the lease
	}
	return hint(err, problem.Revoke, remedy)
}
