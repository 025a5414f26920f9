package mint

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/mint/changes"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/deliver"
	"github.com/kubemint/kubemint/internal/mint/undo"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/revoke"
)

// tools holds what the phases work with. Nothing in it changes.
type tools struct {
	job    Job
	to     deliver.Destination
	undo   *undo.Stack // nil: nothing was recorded, and so nothing made
	issuer credential.Issuer
	maker  changes.Maker
}

// openReceipt records what the run is about to make, before it makes it.
func openReceipt(
	job Job, to deliver.Destination, record *receipt.Receipt,
) (tools, credential.Tether, error) {
	account := record.Account
	journal, err := to.Open(record)
	if err != nil {
		return tools{job: job, to: to}, credential.Tether{}, err
	}
	stack := undo.New(journal, revoke.Revoker{
		Server: job.Server, Marks: job.Desired.Marks, Fresh: true, Show: job.Log.ShowChanges,
		Declared: types.NamespacedName{Namespace: account.Namespace, Name: account.Name},
	})
	with := newTools(job, to, stack)
	var tether credential.Tether
	err = journal.Update(func(record *receipt.Receipt) {
		tether = with.issuer.Plan(record)
		record.Keep = tether.Lease == nil
		record.Objects = append(record.Objects, ephemeralObjects(job.Desired)...)
	})
	return with, tether, err
}

func newTools(job Job, to deliver.Destination, stack *undo.Stack) tools {
	return tools{
		job: job, to: to, undo: stack,
		issuer: credential.Issuer{
			Server: job.Server, Desired: job.Desired, Token: job.Config.Token, Clock: job.Clock,
			Log: job.Log, Mask: job.Mask, Undo: stack, Remedy: to.Remedy(job.Desired.IsEphemeral()),
		},
		maker: changes.Maker{
			Server: job.Server, Dry: job.Server.Dry(), Desired: job.Desired,
			Log: job.Log, Ledger: changes.NewLedger(),
		},
	}
}

// ephemeralObjects are the objects of an identity that is of this run alone.
func ephemeralObjects(desired access.Desired) (objects []receipt.Object) {
	if !desired.IsEphemeral() {
		return nil
	}
	for _, o := range desired.Objects {
		if ref := kube.RefOf(o); ref.Kind != "Namespace" {
			objects = append(objects, receipt.Object{Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name})
		}
	}
	return objects
}

// takeBack undoes what the run made: first the credential, then the files. What was there before is
// there again. What the cluster shares between runs (ServiceAccount, roles, bindings) stays.
func (with tools) takeBack(ctx context.Context) error {
	if with.undo == nil {
		return nil
	}
	within := deliver.UndoWithin
	interrupted := ctx
	ctx, hurry := context.WithCancelCause(context.WithoutCancel(ctx))
	defer hurry(nil)
	if interrupted.Err() == nil { // nobody is about to kill us
		within = with.to.Patience()
		defer context.AfterFunc(interrupted, func() {
			time.AfterFunc(deliver.UndoWithin, func() { hurry(context.DeadlineExceeded) })
		})()
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	alive, err := with.undo.Run(ctx)
	earlier, _ := with.to.Earlier()
	return errors.Join(err, with.undo.Journal.Close(alive, earlier))
}
