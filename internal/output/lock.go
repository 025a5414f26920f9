package output

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kubemint/kubemint/internal/output/private"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
)

// fileLock keeps a second run from an output: what the first run found there and what it records
// stay true until it is done. It lies next to the receipt, so the checkout can never write it.
type fileLock struct {
	place string // of the receipt
	file  *private.FileLock
	dirs  []string // made for it, outermost first
}

func (l *fileLock) path() string { return l.place + ".lock" }

// lock takes the lock of an output, or refuses at once.
func (j Job) lock(output string) (*fileLock, error) {
	place, err := j.choosePlace(output)
	if err != nil {
		return nil, err
	}
	lock := &fileLock{place: place}
	err = lock.makeAndTake()
	switch {
	case err == nil:
		return lock, nil
	case errors.Is(err, private.ErrNoLocks):
		j.Log.Warnf(
			"two runs that write %s at the same time would spoil each other's credential: %s", output, err,
		)
		return lock, nil
	case errors.Is(err, private.ErrLocked):
		err = problem.Newf(
			problem.Config, "write "+output, "another run of kubemint is writing or revoking it",
		).
			Hint("one file holds one credential: name another `output` for each of the runs")
	}
	lock.release(output)
	return nil, err
}

// makeAndTake makes the lock's directory, where it is missing, and takes the lock. A run that ends
// at the same time can remove a directory that it had made.
func (l *fileLock) makeAndTake() (err error) {
	for range 100 {
		var made []string
		made, err = makeDirs(l.place)
		l.dirs = append(l.dirs, made...)
		if err == nil {
			err = l.take()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return err
}

func (l *fileLock) take() error {
	file, err := private.LockFile(l.path())
	switch {
	case err == nil:
		l.file = file
		giveAway(l.path(), filepath.Dir(l.place))
		return nil
	case errors.Is(err, private.ErrLocked), errors.Is(err, private.ErrNoLocks):
		return err
	}
	// name the output, which is next to the receipt
	return unwritable(strings.TrimSuffix(l.place, receipt.Path("")), Cause(err))
}

// release gives the lock up, and removes the directories that were made for it or the receipt and
// are empty.
func (l *fileLock) release(output string) {
	if l == nil {
		return
	}
	if l.file != nil {
		_ = l.file.Release() // a file that stays is in nobody's way
		l.file = nil
	}
	if l.place != receipt.Path(output) {
		_ = os.Remove(filepath.Dir(l.place)) // which fails while anything is in it
	}
	for _, dir := range slices.Backward(l.dirs) {
		_ = os.Remove(dir)
	}
}

// Await takes the lock of a record's output for revoke: it waits for a run that has it. Where
// nothing can be locked, or the directory is gone, nothing is in the way. unlock also removes the
// record's empty directories.
func (j Job) Await(ctx context.Context, record *receipt.Receipt) (unlock func(), err error) {
	var lock *fileLock
	unlock = func() {
		lock.release(record.Output)
		removeDirs(record)
	}
	place, err := j.choosePlace(record.Output)
	if err != nil {
		return unlock, nil //nolint:nilerr // no directory can hold a receipt, and so none is there
	}
	lock = &fileLock{place: place}
	pauses := wait.Backoff{Duration: 10 * time.Millisecond, Factor: 2, Steps: 6}.DelayFunc()
	err = pauses.Until(ctx, true, true, func(context.Context) (bool, error) {
		return !errors.Is(lock.take(), private.ErrLocked), nil
	})
	if err != nil {
		return nil, problem.Newf(problem.Revoke, "revoke the credential of "+record.Output,
			"another run of kubemint is writing it").
			Hint("run kubemint revoke again when that run has ended")
	}
	return unlock, nil
}
