package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source"
)

// reconnect loads the source that the receipt records. $KUBECONFIG may by now name our own file.
func (r *run) reconnect(ctx context.Context, record *receipt.Receipt) (*client.Client, *source.Source, error) {
	from, err := r.recordedSource(record)
	if err != nil {
		return nil, nil, err
	}
	s, err := r.loadSource(from)
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

// recordedSource is the source of a receipt, as far as a receipt can tell; the rest this run's inputs have to give again.
func (r *run) recordedSource(record *receipt.Receipt) (chosen, error) {
	from := chosen{context: record.Source.Context, getenv: r.getenv}
	there := func(path string) bool { _, err := os.Stat(path); return err == nil }
	switch kind := record.Source.Kind; {
	case kind == receipt.KindFile && slices.ContainsFunc(record.Source.Paths, there):
		from.recorded = record.Source.Paths
	case kind == receipt.KindFile: // Jenkins gives a secret file another path in each step
		from.kubeconfig = r.cfg.Source.Kubeconfig
		if from.kubeconfig == "" {
			from.recorded = record.Source.Paths
		}
	case kind == receipt.KindContent && r.cfg.Source.Kubeconfig == "":
		return from, problem.Newf(problem.Revoke, "read source", "the credential was minted from a kubeconfig given as content").
			Hint("give the input `kubeconfig` to this command as well")
	case kind == receipt.KindContent:
		from.kubeconfig = r.cfg.Source.Kubeconfig
	case kind == receipt.KindServer && r.cfg.Source.Server == "":
		return from, problem.Newf(problem.Revoke, "read source", "the credential was minted with an ID token for the input `server`").
			Hint("give the inputs of the mint to this command as well: `server`, with what belongs to it")
	case kind == receipt.KindServer, kind == receipt.KindInCluster:
		from.getenv = r.withoutKubeconfig
	default:
		return from, problem.Newf(problem.Revoke, "read receipt", "unknown kind of source %q", kind)
	}
	return from, nil
}

// withoutKubeconfig is the environment without any file that a kubeconfig could be read from.
func (r *run) withoutKubeconfig(name string) string {
	if slices.Contains([]string{"KUBECONFIG", "HOME", "USERPROFILE"}, name) {
		return ""
	}
	return r.getenv(name)
}

// revokeLease ends what hangs on one lease. A receipt is data: only a Lease with a name that we give those of its ServiceAccount is
// touched, and one whose UID is not known only where this run declares that ServiceAccount too.
func (r *run) revokeLease(ctx context.Context, client *client.Client, record *receipt.Receipt, lease receipt.Object) error {
	op := "delete Lease " + lease.Namespace + "/" + lease.Name
	if !namesLeaseOf(record, lease) {
		return problem.Newf(problem.Revoke, op, "kubemint makes no lease of that name for ServiceAccount %s/%s",
			record.Account.Namespace, record.Account.Name).
			Hint("it was left alone: look at it with  kubectl -n %s get lease %s -o yaml", lease.Namespace, lease.Name)
	}
	if lease.UID == "" && !r.declares(record.Account) {
		return problem.Newf(problem.Revoke, op, "its UID is not known, and this run does not declare ServiceAccount %s/%s",
			record.Account.Namespace, record.Account.Name).
			Hint("give this step the inputs `namespace` and `service_account` of the mint, or run  %s", deleteCommand(lease))
	}
	return endCredential(ctx, client, doomed(record, lease), until(record),
		"the credential lives until "+until(record)+" unless you run  "+deleteCommand(lease))
}

// namesLeaseOf says whether a lease is called as those of the record's ServiceAccount are.
func namesLeaseOf(record *receipt.Receipt, its receipt.Object) bool {
	return its.Namespace == record.Account.Namespace && lease.HasName(its.Name, record.Account.Name)
}

// declares says whether the inputs of this run declare the ServiceAccount.
func (r *run) declares(account receipt.Object) bool {
	declared := r.cfg.Access.In(r.namespace).ServiceAccount
	return declared.Namespace == account.Namespace && declared.Name == account.Name
}

// deleteFiles deletes what the run wrote: the output and its file of outputs, and nothing else. The kubeconfig goes only if it
// still holds the recorded token; the receipt stays for another try where a lease is left.
func (r *run) deleteFiles(record *receipt.Receipt, receiptPath string, dead bool) error {
	gone, err := r.deleteKubeconfig(record)
	errs := []error{err}
	if !r.samePlace(record) {
		return errors.Join(errs...) // the step state's receipt; what lies there is another run's
	}
	if gone && record.EnvFile {
		errs = append(errs, r.deleteEnvFile(record))
	}
	for _, path := range []string{record.Output, envFile(record.Output), receiptPath, tokenFile(record.Output)} {
		removePending(path)
	}
	if err := errors.Join(errs...); err != nil || !dead {
		return err // the receipt is for another try
	}
	err = deleteReceipt(receiptPath, record.Output)
	removeDirs(record)
	return err
}

// samePlace says whether the output is still this record's: no receipt of another run has taken its place.
func (r *run) samePlace(record *receipt.Receipt) bool {
	beside, _, err := r.receipts().Read(record.Output)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	return err == nil && (sameRun(beside, record) || (record.TokenHash != "" && beside.TokenHash == record.TokenHash))
}

// deleteKubeconfig deletes the output if it holds the recorded token, and says whether it is gone.
func (r *run) deleteKubeconfig(record *receipt.Receipt) (gone bool, err error) {
	data, err := readBounded(record.Output)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, problem.New(problem.Revoke, "delete "+record.Output, cause(err))
	}
	if held, _ := tokenIn(record.Output, data); held.Empty() || held.Hash() != record.TokenHash {
		r.log.Warnf("%s is left: it is not the kubeconfig that the receipt names", record.Output)
		return false, nil
	}
	var errs []error
	if written, _ := kubeconfig.Read(data); written.TokenFile != "" {
		errs = append(errs, restore(written.TokenFile, nil))
	}
	return true, errors.Join(append(errs, restore(record.Output, nil))...)
}

// deleteEnvFile deletes the file of outputs, if that is what lies there.
func (r *run) deleteEnvFile(record *receipt.Receipt) error {
	path := envFile(record.Output)
	data, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return problem.New(problem.Revoke, "delete "+path, cause(err))
	}
	if !platform.IsEnvFile(data) {
		r.log.Warnf("%s is left: it is not a file of outputs that kubemint wrote", path)
		return nil
	}
	return restore(path, nil)
}

// deleteReceipt deletes the receipt of an output, and the directory of receipts if it was the last one there. path is "" where
// there was none.
func deleteReceipt(path, output string) error {
	if path == "" {
		return nil
	}
	err := restore(path, nil)
	if err == nil && path != receipt.Path(output) {
		_ = os.Remove(filepath.Dir(path)) // which fails while anything is in it
	}
	return err
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
