package command

import (
	"context"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/revoke"
	"github.com/kubemint/kubemint/internal/revoke/leftover"
	"github.com/kubemint/kubemint/internal/source"
	"github.com/kubemint/kubemint/internal/source/certs"
)

// runner is a connection as the runner, and what the inputs declare.
type runner struct {
	api      *client.Client
	from     *source.Source
	declared config.Access
}

func connectRunner(ctx context.Context, s session.Session) (runner, error) {
	from, err := session.LoadSource(s, session.ChooseDeclared(s))
	if err != nil {
		return runner{}, err
	}
	session.ReportSource(s, from)
	declared, err := session.CompleteAccess(s, from)
	if err != nil {
		return runner{}, err
	}
	api, err := session.OpenExpected(ctx, s, from)
	return runner{api, from, declared}, err
}

// findLeftovers deals with what a killed exec left on this machine.
func findLeftovers(s session.Session, as runner) leftover.Finder {
	return leftover.Finder{
		Bases: privateBases(s), Server: as.from.Server,
		HasCA:   func(fingerprint string) bool { return certs.HasFingerprint(as.from.CAData, fingerprint) },
		Revoker: newRevoker(s, as.api, as.declared.ServiceAccount), Log: s.Log,
	}
}

func newRevoker(s session.Session, server revoke.Server, declared types.NamespacedName) revoke.Revoker {
	return revoke.Revoker{Server: server, Marks: s.Marks(), Declared: declared, Show: s.Log.ShowChanges}
}
