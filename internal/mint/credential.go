package mint

import (
	"context"
	"errors"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/deliver"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
	"github.com/kubemint/kubemint/internal/rights"
	"github.com/kubemint/kubemint/internal/rights/lacking"
)

// Credential is a credential in use.
type Credential struct {
	issued   credential.Issued
	observed access.Observed
	rendered deliver.Rendered // as kubemint wrote it last
	warned   bool             // that its lease cannot be extended
	with     tools
}

// delivery returns what the destination gets. plan has the changes that were made.
func (c *Credential) delivery(plan access.Plan) deliver.Delivery {
	job := c.with.job
	return deliver.Delivery{
		Config: job.Config, Desired: job.Desired, Log: job.Log,
		Issued: c.issued, Rendered: c.rendered, Plan: plan, Observed: c.observed,
	}
}

// Minted is the token.
func (c *Credential) Minted() lease.Minted { return c.issued.Minted }

// End revokes the credential, and takes back what else its run made for itself.
func (c *Credential) End(ctx context.Context) error { return c.with.takeBack(ctx) }

// endEarlier ends the credential that an earlier run left at the same output, now that the new one
// is in place. If it cannot be ended, the new one is still good: the receipt keeps the old one for
// revoke.
func endEarlier(ctx context.Context, with tools, tether credential.Tether) {
	record := with.undo.Journal.Record()
	part := earlierPart(with.to, record, tether)
	if part.Empty() {
		return
	}
	revoker := with.undo.Revoker
	revoker.Fresh = false
	left, err := revoker.Record(ctx, record, revoke.Part{Leases: part.Leases}, func(receipt.Object) {})
	for _, err := range problem.ListErrors(err) {
		with.job.Log.Warnf("the credential that was here before lives on until `kubemint revoke`: %s", err)
	}
	objects, err := revoker.Record(ctx, record, revoke.Part{Objects: part.Objects}, nil)
	if err != nil {
		with.job.Log.Warnf("the identity that was here before is not all gone: %s", err)
	}
	ended := revoke.Without(part.Leases, left.Leases)
	deleted := revoke.Without(part.Objects, objects.Objects)
	if len(ended)+len(deleted) == 0 {
		return
	}
	err = with.undo.Journal.Update(func(record *receipt.Receipt) {
		record.Leases = revoke.Without(record.Leases, ended)
		record.Objects = revoke.Without(record.Objects, deleted)
	})
	if err != nil { // it then names a lease that is gone, which harms nothing
		with.job.Log.Warnf("%s", err)
	}
}

// earlierPart returns the part of the record that belongs to the run before this one: its leases,
// and an ephemeral identity's objects.
func earlierPart(
	to deliver.Destination, record *receipt.Receipt, tether credential.Tether,
) (part revoke.Part) {
	part.Leases = slices.DeleteFunc(slices.Clone(record.Leases), func(o receipt.Object) bool {
		return tether.Lease != nil && o.Name == tether.Lease.Name
	})
	earlier, _ := to.Earlier()
	if earlier == nil {
		return part
	}
	part.Objects = slices.DeleteFunc(slices.Clone(record.Objects), func(o receipt.Object) bool {
		return o.Kind == "Secret" || !slices.Contains(earlier.Objects, o)
	})
	return part
}

// tellTokenLives says that the token is live, if a run failed after it had a token without a lease.
func tellTokenLives(job Job, made *Credential, err error) error {
	if made == nil || made.issued.Tether.Lease != nil || made.issued.Token.IsEmpty() ||
		made.issued.IsPermanent() {
		return err
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		p.Hint("a token of ServiceAccount %s was minted without a lease (`revoke: false`), and nobody has it; "+
			"it is valid until %s", job.Desired.Access.ServiceAccount, credential.FormatExpiry(
			made.issued.Minted,
		))
	}
	return err
}

// listNeeds returns the rights of the runner's identity that the run needs: for a first run, or for
// one that finds everything in place.
func listNeeds(job Job, steady bool) []rights.Need {
	return rights.LeastRights(job.Desired, job.Config.Token, job.Config.Source.Expect, steady)
}

// Complete adds to a refusal all that would be refused next.
func Complete(ctx context.Context, job Job, err error) error {
	return lacking.CompleteRefusal(ctx, job.Server, listNeeds(job, false), err)
}
