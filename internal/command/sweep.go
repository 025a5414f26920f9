package command

import (
	"context"
	"errors"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke/sweep"
)

// runSweep deletes what jobs left that were killed before they could revoke: in the cluster, and on
// this machine what a killed exec left.
func runSweep(ctx context.Context, s session.Session, given options) error {
	as, err := connectRunner(ctx, s)
	if err != nil {
		return err
	}
	defer as.api.Close()
	dryRun := given.dryRun || s.Config.Result.DryRun
	leftErr := findLeftovers(s, as).RemoveAll(ctx, dryRun)
	expired := sweep.Sweeping{
		Client: as.api, Log: s.Log, Now: s.Trace.Now, DryRun: dryRun,
		Namespace: as.declared.ServiceAccount.Namespace,
	}
	if given.allNamespaces {
		expired.Namespace = ""
	}
	err = expired.SweepExpired(ctx)
	if nobody, ok := client.FindUnrecognised(err); ok {
		// then nothing was found, and nothing can be deleted
		nobody.Code = problem.Source
		err = nobody
	}
	return errors.Join(leftErr, err)
}
