package command

import (
	"context"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/command/bootstrap"
	"github.com/kubemint/kubemint/internal/command/bootstrap/cluster"
	"github.com/kubemint/kubemint/internal/command/session"
)

// runBootstrap prints manifests with the least rights that the runner's identity needs. It talks to
// no cluster, but for the question whether it can enforce a guard.
func runBootstrap(ctx context.Context, s session.Session, given options) error {
	if given.guard == "true" {
		if err := cluster.CheckVersion(ctx, s); err != nil {
			return err
		}
	}
	declared, err := session.CompleteOffline(s)
	if err != nil {
		return err
	}
	lines, err := bootstrap.RenderManifests(bootstrap.Asked{
		Desired: access.Desire(declared, s.Marks()), Token: s.Config.Token, Expect: s.Config.Source.Expect,
		Steady: given.steady, Guard: given.guard != "", Subjects: given.subjects,
	})
	if err != nil {
		return err
	}
	return s.Print(lines...)
}
