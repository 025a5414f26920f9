package output

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
)

// Delete deletes what the record's run wrote: the output and its file of outputs, and nothing else.
// The kubeconfig goes only if it still holds the recorded token. The receipt, at receiptPath, stays
// for another try unless the credential is dead.
func (j Job) Delete(record *receipt.Receipt, receiptPath string, dead bool) error {
	gone, err := j.deleteKubeconfig(record)
	errs := []error{err}
	if !j.isStillOf(record) {
		return errors.Join(errs...) // the step state's receipt; what lies there is another run's
	}
	if gone && record.EnvFile {
		errs = append(errs, j.deleteEnvFile(record))
	}
	for _, path := range []string{record.Output, EnvFile(record.Output), receiptPath, TokenFile(record.Output)} {
		removePending(path)
	}
	if err := errors.Join(errs...); err != nil || !dead {
		return err
	}
	err = deleteReceipt(receiptPath, record.Output)
	removeDirs(record)
	return err
}

// isStillOf says whether the output is still this record's: no other run's receipt has taken its
// place.
func (j Job) isStillOf(record *receipt.Receipt) bool {
	current, _, err := j.Receipts.Read(record.Output)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	sameToken := err == nil && record.TokenHash != "" && current.TokenHash == record.TokenHash
	return sameToken || (err == nil && IsSameRun(current, record))
}

// deleteKubeconfig deletes the output if it holds the recorded token, and says whether it is gone.
func (j Job) deleteKubeconfig(record *receipt.Receipt) (gone bool, err error) {
	data, err := Read(record.Output)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, problem.New(problem.Revoke, "delete "+record.Output, Cause(err))
	}
	if held, _ := TokenIn(record.Output, data); held.IsEmpty() || held.Hash() != record.TokenHash {
		j.Log.Warnf("%s is left: it is not the kubeconfig that the receipt names", record.Output)
		return false, nil
	}
	var errs []error
	if written, _ := kubeconfig.Read(data); written.TokenFile != "" {
		errs = append(errs, Restore(written.TokenFile, nil))
	}
	return true, errors.Join(append(errs, Restore(record.Output, nil))...)
}

// deleteEnvFile deletes the file of outputs, unless another file has taken its place.
func (j Job) deleteEnvFile(record *receipt.Receipt) error {
	path := EnvFile(record.Output)
	data, err := Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return problem.New(problem.Revoke, "delete "+path, Cause(err))
	}
	if !platform.IsEnvFile(data) {
		j.Log.Warnf("%s is left: it is not a file of outputs that kubemint wrote", path)
		return nil
	}
	return Restore(path, nil)
}

// deleteReceipt deletes the receipt of an output, and the directory of receipts if it was the last
// one there. path is "" where there was none.
func deleteReceipt(path, output string) error {
	if path == "" {
		return nil
	}
	err := Restore(path, nil)
	if err == nil && path != receipt.Path(output) {
		_ = os.Remove(filepath.Dir(path)) // which fails while anything is in it
	}
	return err
}

// removePending removes the temporary file of a run that was killed before the rename:
// os.CreateTemp puts a dot before the name and random digits behind it. It can hold a token.
func removePending(path string) {
	entries, _ := os.ReadDir(filepath.Dir(path))
	for _, entry := range entries {
		digits, ours := strings.CutPrefix(entry.Name(), "."+filepath.Base(path))
		if ours && digits != "" && strings.Trim(digits, "0123456789") == "" {
			_ = os.Remove(filepath.Join(filepath.Dir(path), entry.Name()))
		}
	}
}

// IsSameRun says whether two receipts name a lease in common, whose name is random.
func IsSameRun(a, b *receipt.Receipt) bool {
	return slices.ContainsFunc(a.Leases, func(lease receipt.Object) bool {
		return slices.ContainsFunc(b.Leases, func(other receipt.Object) bool {
			return lease.Namespace == other.Namespace && lease.Name == other.Name
		})
	})
}
