package revocation

import (
	"context"
	"os"
	"slices"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source"
	"github.com/kubemint/kubemint/internal/source/certs"
)

// reconnect loads the source that the receipt records. $KUBECONFIG may by now name our own file.
func reconnect(
	ctx context.Context, s session.Session, record *receipt.Receipt,
) (*client.Client, *source.Source, error) {
	recorded, err := chooseRecorded(s, record)
	if err != nil {
		return nil, nil, err
	}
	from, err := session.LoadSource(s, recorded)
	if err != nil {
		return nil, nil, err
	}
	if from.Server != record.Server || !certs.HasFingerprint(from.CAData, record.Fingerprint) {
		return nil, nil, problem.Newf(problem.Revoke, "read source",
			"it is now for %s, and the credential was minted at %q", from.Server, record.Server).
			Hint("nothing was deleted there: another cluster's lease could have the same name")
	}
	api, err := session.Open(ctx, s, from)
	return api, from, err
}

// chooseRecorded is the source of a receipt, as far as a receipt can tell; the rest this run's
// inputs have to give again.
func chooseRecorded(s session.Session, record *receipt.Receipt) (session.Chosen, error) {
	from := session.Chosen{Context: record.Source.Context, Getenv: s.Getenv}
	there := func(path string) bool { _, err := os.Stat(path); return err == nil }
	given := s.Config.Source.Kubeconfig
	switch kind := record.Source.Kind; {
	case kind == receipt.KindFile && (slices.ContainsFunc(record.Source.Paths, there) || given == ""):
		from.Recorded = record.Source.Paths
	case kind == receipt.KindFile: // Jenkins gives a secret file another path in each step
		from.Kubeconfig = given
	case kind == receipt.KindContent && given == "":
		return from, problem.Newf(
			problem.Revoke, "read source", "the credential was minted from a kubeconfig given as content",
		).
			Hint("give the input `kubeconfig` to this command as well")
	case kind == receipt.KindContent:
		from.Kubeconfig = given
	case kind == receipt.KindServer && s.Config.Source.Server == "":
		return from, problem.Newf(
			problem.Revoke, "read source",
			"the credential was minted with an ID token for the input `server`",
		).
			Hint("give the inputs of the mint to this command as well: `server`, with what belongs to it")
	case kind == receipt.KindServer, kind == receipt.KindInCluster:
		from.Getenv = withoutKubeconfig(s.Getenv)
	default:
		return from, problem.Newf(problem.Revoke, "read receipt", "unknown kind of source %q", kind)
	}
	return from, nil
}

// withoutKubeconfig is an environment without any file that a kubeconfig could be read from.
func withoutKubeconfig(getenv func(string) string) func(string) string {
	return func(name string) string {
		if slices.Contains([]string{"KUBECONFIG", "HOME", "USERPROFILE"}, name) {
			return ""
		}
		return getenv(name)
	}
}
