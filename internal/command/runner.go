package command

import (
	"cmp"
	"context"
	"os"
	"runtime"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/command/revocation"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/config"
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
		Revoker: revocation.NewRevoker(s, as.api, as.declared.ServiceAccount), Log: s.Log,
	}
}

// privateBases lists where private directories are made, best first: on a writable tmpfs if there
// is one, so that the token does not reach a disk.
func privateBases(s session.Session) []string {
	if s.Process.PrivateDir != "" {
		return []string{s.Process.PrivateDir}
	}
	temp := cmp.Or(s.Getenv("TMPDIR"), os.TempDir())
	if runtime.GOOS != "linux" {
		// on Windows /dev/shm would be in the drive's root, where anybody may make it
		return []string{temp}
	}
	return []string{"/dev/shm", temp}
}
