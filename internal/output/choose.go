package output

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
)

// File is the place of a written kubeconfig, and the files that were there before.
type File struct {
	Path    string
	Earlier *receipt.Receipt // of the credential that is replaced; nil if there was no credential
	Expired bool             // that one is for another cluster or account, and dead

	job       Job
	lock      *fileLock // nil for a dry run
	before    []byte    // the kubeconfig that lay there; nil where there was none
	envBefore []byte    // the file of outputs that lay next to it
}

// Choose looks at an output, locks it unless the run is a dry one, and refuses one that must not be
// written: a file of the source, anything that is not ours, or a credential of ours for another
// cluster or ServiceAccount than record says.
func (j Job) Choose(
	path string, sourceFiles []string, record *receipt.Receipt, dryRun bool,
) (*File, error) {
	f := &File{Path: path, job: j}
	if err := j.RefuseLinks(path); err != nil {
		return nil, err
	}
	if !dryRun {
		var err error
		if f.lock, err = j.lock(path); err != nil {
			return nil, err
		}
	}
	if err := f.examine(sourceFiles, record); err != nil {
		f.lock.release(path)
		return nil, err
	}
	return f, nil
}

// Unlock ends this run's hold of its output. While the lock's file was in the directories, they
// could not be removed.
func (f *File) Unlock(record *receipt.Receipt) {
	if f == nil || f.lock == nil {
		return
	}
	f.lock.release(f.Path)
	removeDirs(record)
}

// examine refuses a file that may not be replaced, and keeps the content that is there.
func (f *File) examine(sourceFiles []string, record *receipt.Receipt) error {
	info, err := os.Lstat(f.Path)
	for _, file := range sourceFiles {
		other, statErr := os.Stat(file)
		if file == f.Path || (err == nil && statErr == nil && os.SameFile(info, other)) {
			return refuseOutput(f.Path, "the source kubeconfig was read from this file")
		}
	}
	if err := f.findEarlier(info, err); err != nil {
		return err
	}
	if err := f.refuseOther(record); err != nil {
		return err
	}
	if f.Expired {
		account := f.Earlier.Account
		f.job.Log.Printf("note: the credential that was here, for ServiceAccount %s/%s at %s, has expired: "+
			"kubemint sweep deletes its lease", account.Namespace, account.Name, f.Earlier.Server)
	}
	return f.readEnvFile()
}

func refuseOutput(path, format string, args ...any) *problem.Error {
	return problem.Newf(problem.Config, "write "+path, format, args...).
		Hint("name another `output`, or move this file away")
}

// findEarlier reads what an earlier run left: info and statErr are the result of os.Lstat.
func (f *File) findEarlier(info fs.FileInfo, statErr error) error {
	earlier, path, receiptErr := f.job.Receipts.Read(f.Path)
	switch {
	case errors.Is(statErr, fs.ErrNotExist):
		if receiptErr != nil && !errors.Is(receiptErr, fs.ErrNotExist) {
			return refuseOutput(f.Path, "its receipt is in the way: %w", receiptErr)
		}
		f.Earlier = earlier // a run that was killed before it wrote the file: its lease may live
		return nil
	case statErr != nil:
		return unwritable(f.Path, Cause(statErr))
	case !info.Mode().IsRegular():
		return refuseOutput(f.Path, "it exists and is not a regular file")
	case errors.Is(receiptErr, fs.ErrNotExist):
		return refuseOutput(f.Path, "it exists and kubemint did not write it")
	case receiptErr != nil:
		return refuseOutput(f.Path, "it exists, and its receipt cannot be used: %w", receiptErr)
	}
	before, err := Read(f.Path)
	if err != nil {
		return unwritable(f.Path, Cause(err))
	}
	if held, err := TokenIn(f.Path, before); err != nil || held.Hash() != earlier.TokenHash {
		return refuseOutput(f.Path, "it exists and is not the file that its receipt %s names", path)
	}
	f.before = before
	f.Earlier = earlier
	return nil
}

// deadAfter is how long ago a token has to have expired by this machine's clock to count as dead:
// the API server accepts one for about a minute longer (65 s were seen), and clocks differ.
const deadAfter = 5 * time.Minute

// refuseOther refuses to replace a credential for another cluster or ServiceAccount that may live.
// To end that one, this run would have to log in by the earlier run's receipt.
func (f *File) refuseOther(record *receipt.Receipt) error {
	earlier := f.Earlier
	if earlier == nil || earlier.SameTarget(record) {
		return nil
	}
	end, err := time.Parse(time.RFC3339, earlier.ExpiresAt)
	if err == nil && f.job.Now().After(end.Add(deadAfter)) {
		f.Expired = true
		return nil
	}
	return problem.Newf(problem.Config, "write "+f.Path,
		"it is for ServiceAccount %s/%s at %s, and this run is for %s/%s at %s",
		earlier.Account.Namespace, earlier.Account.Name, earlier.Server,
		record.Account.Namespace, record.Account.Name, record.Server).
		Hint("name another file in `output`: one file holds one credential").
		Hint("or end the earlier credential first: kubemint revoke")
}

// readEnvFile keeps the content of the file of outputs next to the kubeconfig, and refuses to
// replace a file that is not ours.
func (f *File) readEnvFile() error {
	if !f.job.EnvFile {
		return nil
	}
	path := EnvFile(f.Path)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unwritable(path, Cause(err))
	case f.Earlier == nil || !f.Earlier.EnvFile || !info.Mode().IsRegular():
		return problem.Newf(problem.Config, "write "+path, "it exists and kubemint did not write it").
			Hint("the outputs go next to the kubeconfig: name another `output`, or move this file away")
	}
	if f.envBefore, err = Read(path); err != nil {
		return unwritable(path, Cause(err))
	}
	return nil
}

// Open begins the receipt at its place, and makes the output's directory. It adds to the record
// what the earlier credential's receipt still names.
func (f *File) Open(record *receipt.Receipt, state func(*receipt.Receipt) error) (*Journal, error) {
	f.inherit(record)
	place, err := f.job.choosePlace(f.Path)
	if err != nil {
		return nil, err
	}
	made, err := makeDirs(f.Path)
	record.Dirs = append(record.Dirs, f.lock.dirs...)
	record.Dirs = append(record.Dirs, made...)
	if err == nil {
		err = tryDirectory(f.Path)
	}
	if err != nil {
		return nil, err
	}
	return NewJournal(place, record, state), nil
}

func (f *File) inherit(record *receipt.Receipt) {
	if f.Earlier == nil {
		return
	}
	record.TokenHash = f.Earlier.TokenHash
	record.EnvFile = f.Earlier.EnvFile
	record.Dirs = append(record.Dirs, f.Earlier.Dirs...)
	if !f.Expired {
		record.Leases = append(record.Leases, f.Earlier.Leases...)
		record.Objects = append(record.Objects, f.Earlier.Objects...)
	}
}

// PutBack restores the kubeconfig that was there before, or deletes the new one if there was none.
func (f *File) PutBack() error { return Restore(f.Path, f.before) }

// PutBackEnvFile does the same for the file of outputs.
func (f *File) PutBackEnvFile() error { return Restore(EnvFile(f.Path), f.envBefore) }
