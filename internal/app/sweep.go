package app

import (
	"context"
	"errors"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke/sweep"
	"github.com/kubemint/kubemint/internal/source"
)

// sweep deletes what jobs left that were killed before they could revoke, in the cluster and, of a killed exec,
// on this machine.
func (r *run) sweep(ctx context.Context, given options) error {
	as, err := r.connectRunner(ctx)
	if err != nil {
		return err
	}
	defer as.client.Close()
	dryRun := given.dryRun || r.cfg.Result.DryRun
	left := leftover{r, as.client, as.from}
	leftErr := left.removeAll(ctx, dryRun)
	s := sweep.Sweeping{
		Client: as.client, Log: r.log, Now: r.now, DryRun: dryRun, Namespace: as.declared.ServiceAccount.Namespace,
	}
	if given.allNamespaces {
		s.Namespace = ""
	}
	err = s.Expired(ctx)
	if nobody, ok := client.Unrecognised(err); ok { // then nothing was found, and nothing can be deleted
		nobody.Code = problem.Source
		err = nobody
	}
	return errors.Join(leftErr, err)
}

// runner is a connection as the runner, and what the inputs declare.
type runner struct {
	client   *client.Client
	from     *source.Source
	declared config.Access
}

// connectRunner connects as the runner.
func (r *run) connectRunner(ctx context.Context) (*runner, error) {
	from, err := r.loadSource(r.declaredSource())
	if err != nil {
		return nil, err
	}
	r.reportSource(from)
	declared, err := r.declaredAt(from)
	if err != nil {
		return nil, err
	}
	client, err := r.openExpected(ctx, from)
	return &runner{client, from, declared}, err
}
