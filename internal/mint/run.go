package mint

import (
	"context"
	"errors"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/deliver"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
)

// Run mints the credential that the job declares, and delivers it. record holds what revoke has to
// know of the run before it begins. A failed run takes back everything it made for itself.
func Run(
	ctx context.Context, job Job, to deliver.Destination, record *receipt.Receipt,
) (*Credential, error) {
	advise(job, to)
	with, tether, err := openReceipt(job, to, record)
	if err != nil {
		return nil, errors.Join(err, with.takeBack(ctx))
	}
	limited, cancel := context.WithDeadline(ctx, job.Until)
	defer cancel()
	defer lookForAdministrator(limited, job.Log, job.Server.Once())() // after a failure: when all is taken back
	made, err := runPhases(limited, with, tether)
	if err != nil {
		return nil, errors.Join(tellTokenLives(job, made, err), with.takeBack(ctx))
	}
	return made, nil
}

// runPhases sends in each phase what it can at once, and waits for nothing that it does not need.
// After a failure it returns as much of the credential as there is.
func runPhases(ctx context.Context, with tools, tether credential.Tether) (made *Credential, err error) {
	job := with.job
	go job.Verifier.First().Warm(ctx)
	defer job.Verifier.Close()

	found, err := observeCluster(ctx, with, tether) // creates the lease at the same time
	if err != nil {
		return nil, err
	}
	if found.Plan, err = access.Diff(job.Desired, found.Observed); err != nil {
		return nil, err
	}
	warn(job, found.Plan, found.Observed)
	defer lookForMoved(ctx, job, found.Plan)()

	ensured, err := ensure(ctx, with, found) // issues the credential as soon as its account is there
	made = &Credential{issued: ensured.issued, observed: ensured.observed, with: with}
	job.Log.ShowChanges(ensured.plan)
	if err != nil {
		return made, err
	}
	reportToken(job, made.issued)

	if made.rendered, err = deliver.Render(with.to, job.Written, made.issued.Token); err != nil {
		return made, err
	}
	if err := prove(ctx, with, ensured); err != nil {
		return made, err
	}
	if err := handOver(ctx, with, made, ensured.plan); err != nil {
		return made, err
	}
	endEarlier(ctx, with, made.issued.Tether)
	return made, nil
}

// handOver delivers the credential, unless the run was interrupted: from here on nothing asks the
// API server, and so nothing else would notice.
func handOver(ctx context.Context, with tools, made *Credential, plan access.Plan) error {
	if err := context.Cause(ctx); err != nil {
		return problem.New(problem.Mint, "hand over the credential", err)
	}
	return with.to.Deliver(made.delivery(plan), with.undo)
}
