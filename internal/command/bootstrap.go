package command

import (
	"cmp"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/command/bootstrap"
	"github.com/kubemint/kubemint/internal/command/bootstrap/trust"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/source"
)

// runBootstrap prints manifests with the least rights that the runner's identity needs. It talks to
// no cluster.
func runBootstrap(s session.Session, given options) error {
	declared, err := completeOffline(s)
	if err != nil {
		return err
	}
	subjects, err := bootstrap.ReadSubjects(given.flags["subject"])
	if err != nil {
		return err
	}
	lines, err := bootstrap.RenderManifests(bootstrap.Asked{
		Desired: access.Desire(declared, s.Marks()), Token: s.Config.Token, Expect: s.Config.Source.Expect,
		Steady: given.steady, Guard: given.guard, Subjects: subjects,
		Trust: trust.Asked{
			Flags: given.flags, Getenv: s.Getenv,
			Audience: cmp.Or(s.Config.Source.OIDCAudience, s.Config.Source.Server),
		},
	})
	if err != nil {
		return err
	}
	return s.Print(lines...)
}

// completeOffline completes the declared access as mint does, or by `default` where there is no
// source.
func completeOffline(s session.Session) (config.Access, error) {
	if len(s.Config.Access.Namespaces) > 0 {
		return s.Config.Access.In(""), nil
	}
	why := "the source's context names none"
	from, err := session.LoadSource(s, session.ChooseDeclared(s))
	if err != nil {
		why = err.Error()
		from = &source.Source{}
	} else if from.Namespace != "" {
		why = "that of the source's context"
	}
	declared, err := session.CompleteAccess(s, from)
	if err == nil {
		s.Log.Printf("note: no `namespace` is declared: %s is assumed (%s)", declared.Namespaces[0], why)
	}
	return declared, err
}
