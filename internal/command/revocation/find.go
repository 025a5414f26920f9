package revocation

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
)

// findLocked finds the receipt and locks its output, so that neither a mint nor another revoke
// changes what is about to be deleted.
func findLocked(ctx context.Context, s session.Session) (
	record *receipt.Receipt, path string, unlock func(), err error,
) {
	for {
		record, path, err = findReceipt(s)
		if err != nil || record == nil {
			return record, path, func() {}, err
		}
		first := record
		unlock, err = s.Files().Await(ctx, first)
		if err != nil {
			return nil, "", nil, err
		}
		record, path, err = findReceipt(s) // the run that had the lock may have changed it, or deleted it
		if err == nil && (record == nil || record.Output == first.Output) {
			return record, path, unlock, nil
		}
		unlock()
		if err != nil {
			return nil, "", nil, err
		}
	}
}

// findReceipt looks where a mint in this job left one: the step state first, since nothing but the
// runner writes it. It also returns where the receipt lies, or would lie.
func findReceipt(s session.Session) (*receipt.Receipt, string, error) {
	if state := s.Platform.SavedState(); state != "" {
		record, err := receipt.Decode([]byte(state))
		if err != nil {
			return nil, "", problem.New(problem.Revoke, "read receipt from the step state", err)
		}
		_, path, _ := s.Receipts().Read(record.Output)
		return record, path, nil
	}
	for _, candidate := range outputCandidates(s) {
		record, path, err := s.Receipts().Read(candidate)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, "", problem.New(problem.Revoke, "read receipt", err,
				"nothing was deleted: look at the file, and delete the lease that it names with kubectl")
		}
		record.Output = candidate // it may have been written under another name of the same directory
		return record, path, nil
	}
	return nil, "", nil
}

// outputCandidates lists the paths where an earlier mint of this job may have written its
// kubeconfig.
func outputCandidates(s session.Session) []string {
	candidates := []string{s.Config.Result.Output}
	if s.Config.Result.Output == "" {
		candidates = []string{s.Platform.DefaultOutput()}
		if list := filepath.SplitList(s.Getenv("KUBECONFIG")); len(list) == 1 {
			candidates = append(candidates, list[0])
		}
	}
	for i, path := range candidates {
		candidates[i] = s.Platform.Absolute(s.Platform.Inside(path))
	}
	return candidates
}

// completeRecord takes the objects from the receipt's file where the step state had no room for
// them.
func completeRecord(s session.Session, record *receipt.Receipt) error {
	if !record.Elsewhere {
		return nil
	}
	file, _, err := s.Receipts().Read(record.Output)
	if err != nil || !output.IsSameRun(file, record) {
		return problem.Newf(problem.Revoke, "read receipt", "that of %s, which named the identity's "+
			"objects, is gone or of another run",
			record.Output).Hint("kubemint sweep --all-namespaces deletes them after their expiry")
	}
	record.Objects = file.Objects
	return nil
}
