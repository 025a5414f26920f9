package command

import (
	"cmp"
	"context"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/command/bootstrap"
	"github.com/kubemint/kubemint/internal/command/bootstrap/check"
	"github.com/kubemint/kubemint/internal/command/bootstrap/cluster"
	"github.com/kubemint/kubemint/internal/command/bootstrap/trust"
	"github.com/kubemint/kubemint/internal/command/session"
)

// runBootstrap prints manifests with the least rights that the runner's identity needs. It talks to
// no cluster, unless it has to ask whether it can enforce a guard; with --check it asks a cluster
// whether the runner has those rights, and no more.
func runBootstrap(ctx context.Context, s session.Session, given options, checks bool) error {
	declared, err := session.CompleteOffline(s)
	if err != nil {
		return err
	}
	subjects, err := bootstrap.ReadSubjects(given.flags["subject"])
	if err != nil {
		return err
	}
	asked := bootstrap.Asked{
		Desired: access.Desire(declared, s.Marks()), Token: s.Config.Token, Expect: s.Config.Source.Expect,
		Steady: given.steady, Guard: given.guard != "", Subjects: subjects,
		Trust: trust.Asked{
			Flags: given.flags, Getenv: s.Getenv,
			Audience: cmp.Or(s.Config.Source.OIDCAudience, s.Config.Source.Server),
		},
	}
	if checks {
		return check.Run(ctx, s, asked)
	}
	lines, err := bootstrap.RenderManifests(asked)
	if err != nil {
		return err
	}
	if given.guard == "true" {
		if err := cluster.CheckVersion(ctx, s); err != nil {
			return err
		}
	}
	return s.Print(lines...)
}
