package command

import (
	"context"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/command/bootstrap"
	"github.com/kubemint/kubemint/internal/command/bootstrap/check"
	"github.com/kubemint/kubemint/internal/command/session"
)

// runBootstrap prints manifests with the least rights that the runner's identity needs, and talks to
// no cluster; with --check it asks a cluster whether the runner has those.
func runBootstrap(ctx context.Context, s session.Session, given options, checks bool) error {
	declared, err := session.CompleteOffline(s)
	if err != nil {
		return err
	}
	asked := bootstrap.Asked{
		Desired: access.Desire(declared, s.Marks()), Token: s.Config.Token, Expect: s.Config.Source.Expect,
		Steady: given.steady, Guard: given.guard, Subjects: given.subjects,
	}
	if checks {
		return check.Run(ctx, s, asked)
	}
	lines, err := bootstrap.RenderManifests(asked)
	if err != nil {
		return err
	}
	return s.Print(lines...)
}
