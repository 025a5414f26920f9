package mint

import (
	"context"
	"errors"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/deliver"
	"github.com/kubemint/kubemint/internal/mint/entry"
	"github.com/kubemint/kubemint/internal/mint/rehearsal"
	"github.com/kubemint/kubemint/internal/platform"
)

// Plan reads, plans, has the API server say what it would answer, and prints: neither receipt nor
// lease, and no token.
func Plan(ctx context.Context, job Job, to deliver.File) error {
	if err := to.Platform.Ready(); err != nil {
		return err
	}
	defer lookForAdministrator(ctx, job.Log, job.Server.Once())()
	with := newTools(job, to, nil)
	f, err := foresee(ctx, with)
	if err != nil {
		return err
	}
	if f.Plan, err = access.Diff(job.Desired, f.Observed); err != nil {
		return err
	}
	err = rehearsal.Rehearsal{
		Server: job.Server, Desired: job.Desired, Maker: with.maker, Issuer: with.issuer,
		Needed: listNeeds(job, !job.Desired.IsEphemeral()), Log: job.Log,
	}.Try(ctx, f.State)
	f.Plan = with.maker.Ledger.Replanned(f.Plan)
	warn(job, f.Plan, f.Observed)
	job.Log.ShowPlanned(f.Plan)
	if err != nil {
		return err
	}
	job.Log.Printf("dry run: nothing was changed and nothing minted")
	outcome, err := deliver.FormatChanges(f.Plan)
	if err != nil {
		return err
	}
	return to.Platform.Publish(
		platform.Result{Outputs: []platform.Output{{Name: "changes", Value: outcome}}},
	)
}

// foresee observes the cluster.
func foresee(ctx context.Context, with tools) (found, error) {
	job := with.job
	gate := with.waiting().ToMint(job.Server, job.Desired)
	// a plan has no lease; the one at the output is replaced
	with.entrance().Mine(gate, credential.Tether{})
	var f found
	var notes []string
	err := with.maker.All(ctx, nil,
		func(ctx context.Context) error { return checkServed(ctx, job) },
		func(ctx context.Context) (err error) {
			f.Observed, notes, err = read(ctx, job, true)
			return err
		},
		job.Server.Recognise,
		func(ctx context.Context) (err error) {
			f.Gate, err = entry.Look(ctx, gate)
			if _, denied := errors.AsType[*explain.Denial](err); denied {
				f.Gate = nil // the rehearsal says so, with all else that is lacking
				return nil
			}
			return err
		},
	)
	job.Log.PrintList("note: ", notes)
	return f, err
}
