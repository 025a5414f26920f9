package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/receipt"
	"github.com/kubemint/kubemint/internal/source"
	"github.com/kubemint/kubemint/internal/token"
)

// reconnect loads the source that the receipt records. $KUBECONFIG may by now name our own file.
func (r *run) reconnect(ctx context.Context, record *receipt.Receipt) (*cluster.Client, *source.Source, error) {
	given, replaced := "", map[string]string{} // the latter: environment variables
	switch record.Source.Kind {
	case receipt.KindFile:
		there := func(path string) bool { _, err := os.Stat(path); return err == nil }
		if !slices.ContainsFunc(record.Source.Paths, there) { // Jenkins gives a secret file another path in each step
			given = r.cfg.Source.Kubeconfig
			break
		}
		replaced["KUBECONFIG"] = strings.Join(record.Source.Paths, string(os.PathListSeparator))
	case receipt.KindContent:
		given = r.cfg.Source.Kubeconfig
		if given == "" {
			return nil, nil, problem.Newf(problem.Revoke, "read source", "the credential was minted from a kubeconfig given as content").
				Hint("give the input `kubeconfig` to this command as well")
		}
	case receipt.KindInCluster, receipt.KindServer:
		if record.Source.Kind == receipt.KindServer && r.cfg.Source.Server == "" {
			return nil, nil, problem.Newf(problem.Revoke, "read source", "the credential was minted with an ID token for the input `server`").
				Hint("give the inputs of the mint to this command as well: `server`, with what belongs to it")
		}
		replaced = map[string]string{"KUBECONFIG": "", "HOME": "", "USERPROFILE": ""}
	default:
		return nil, nil, problem.Newf(problem.Revoke, "read receipt", "unknown kind of source %q", record.Source.Kind)
	}
	s, err := r.loadSource(given, record.Source.Context, func(name string) string {
		if value, ok := replaced[name]; ok {
			return value
		}
		return r.getenv(name)
	})
	if err != nil {
		return nil, nil, err
	}
	if s.Server != record.Server || fingerprint(s.CAData) != record.Fingerprint {
		return nil, nil, problem.Newf(problem.Revoke, "read source",
			"it is now for %s, and the credential was minted at %q", s.Server, record.Server).
			Hint("nothing was deleted there: another cluster's lease could have the same name")
	}
	client, err := r.open(ctx, s)
	return client, s, err
}

// revokeLease deletes one lease. A receipt is data: a Lease that is not called as ours are is not touched.
func (r *run) revokeLease(ctx context.Context, client *cluster.Client, record *receipt.Receipt, lease receipt.Object) error {
	op := "delete Lease " + lease.Namespace + "/" + lease.Name
	if !strings.HasPrefix(lease.Name, token.LeasePrefix) {
		return problem.Newf(problem.Revoke, op, "the receipt names an object that kubemint does not make")
	}
	err := client.Explain(problem.Revoke, op, token.Revoke(ctx, client, lease.Namespace, lease.Name, lease.UID))
	return hint(err, problem.Revoke, "the credential lives until "+until(record)+" unless you run  "+deleteCommand(lease))
}

// deleteFiles deletes what the run wrote. The kubeconfig goes only if it still holds the recorded token; the receipt
// stays for another try where a lease is left.
func (r *run) deleteFiles(record *receipt.Receipt, dead bool) error {
	var errs []error
	data, err := readBounded(record.Output)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		errs = append(errs, problem.New(problem.Revoke, "delete "+record.Output, cause(err)))
	default:
		if written, err := tokenIn(record.Output, data); err != nil || written.Hash() != record.TokenHash {
			r.log.Warnf("%s is left: it is not the kubeconfig that the receipt names", record.Output)
			break
		}
		if _, file, _ := kubeconfig.Token(data); file != "" {
			errs = append(errs, restore(file, nil))
		}
		errs = append(errs, restore(record.Output, nil))
	}
	beside, err := receipt.Read(record.Output)
	if err != nil || !sameRun(beside, record) && (record.TokenHash == "" || beside.TokenHash != record.TokenHash) {
		return errors.Join(errs...) // the step state's receipt; what lies there is another run's
	}
	if record.EnvFile == envFile(record.Output) {
		errs = append(errs, restore(record.EnvFile, nil))
	}
	for _, path := range []string{record.Output, envFile(record.Output), receipt.Path(record.Output), tokenFile(record.Output)} {
		removePending(path)
	}
	if dead {
		errs = append(errs, restore(receipt.Path(record.Output), nil))
		removeDirs(record)
	}
	return errors.Join(errs...)
}

// removePending removes what a run that was killed had written of a file before its rename: os.CreateTemp puts a dot before
// the name and random digits behind it. It can hold a token.
func removePending(path string) {
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, entry := range entries {
		digits, ours := strings.CutPrefix(entry.Name(), "."+filepath.Base(path))
		if ours && digits != "" && strings.Trim(digits, "0123456789") == "" {
			_ = os.Remove(filepath.Join(filepath.Dir(path), entry.Name()))
		}
	}
}

// sameRun says whether two receipts name a lease in common, whose name is random.
func sameRun(a, b *receipt.Receipt) bool {
	return slices.ContainsFunc(a.Leases, func(lease receipt.Object) bool {
		return slices.ContainsFunc(b.Leases, func(other receipt.Object) bool {
			return lease.Namespace == other.Namespace && lease.Name == other.Name
		})
	})
}

// deletable are the kinds that a receipt may name besides leases.
var deletable = []string{"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Secret"}

// deleteObjects deletes what the receipt names besides leases: an ephemeral identity's objects, the Secret of a permanent
// token. Only what bears our marks is touched: each is read first, unless its UID says what it is.
func (r *run) deleteObjects(ctx context.Context, client *cluster.Client, objects []receipt.Object) error {
	return parallel.Each(len(objects), func(i int) error {
		recorded := objects[i]
		ref := access.Ref{Kind: recorded.Kind, Namespace: recorded.Namespace, Name: recorded.Name}
		op := "delete " + ref.String()
		object := cluster.Empty(ref)
		if object == nil || !slices.Contains(deletable, ref.Kind) {
			return problem.Newf(problem.Revoke, op, "the receipt names an object that kubemint does not make")
		}
		if err := client.Get(ctx, object); err != nil {
			if cluster.Missing(err) {
				return nil
			}
			return client.Explain(problem.Revoke, "read "+ref.String(), err)
		}
		if object.GetLabels()[access.LabelManagedBy] != access.ManagedBy || recorded.UID != "" && object.GetUID() != recorded.UID {
			return problem.Newf(problem.Revoke, op, "it is not the object that kubemint made: it was made again, or lost its label").
				Hint("look at it, and delete it with kubectl if it is no longer needed")
		}
		if err := client.Delete(ctx, object); err != nil && !cluster.Missing(err) {
			return client.Explain(problem.Revoke, op, err)
		}
		return nil
	})
}
