package output

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kubemint/kubemint/internal/disk"
	"github.com/kubemint/kubemint/internal/problem"
)

// makeDirs makes the missing parents of a file with mode 0700 and returns those it made, outermost
// first. As root in a container they are given to the owner of the directory that was there before,
// who has to reach the file later.
func makeDirs(file string) (made []string, err error) {
	dir := filepath.Dir(file)
	var missing []string
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return nil, unwritable(dir, errors.New("it is not a directory"))
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return nil, unwritable(dir, Cause(err))
		}
		missing = append([]string{dir}, missing...)
		dir = filepath.Dir(dir)
	}
	for _, path := range missing {
		err := os.Mkdir(path, 0o700)
		if info, statErr := os.Stat(path); errors.Is(err, fs.ErrExist) && statErr == nil && info.IsDir() {
			continue // another run was faster
		}
		if err != nil {
			return made, unwritable(path, Cause(err))
		}
		made = append(made, path)
		//nolint:gosec // a directory; the umask may have taken bits away
		if err := os.Chmod(path, 0o700); err != nil {
			return made, unwritable(path, Cause(err))
		}
		giveAway(path, dir)
	}
	return made, nil
}

// Write replaces a file atomically and durably: a temporary file of mode 0600 next to it, fsync,
// rename. A reader sees the old content or the new, and only the owner sees either. (renameio does
// not support Windows. There the mode has no effect: the file inherits its permissions from the
// directory.)
func Write(path string, data []byte) error {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, "."+filepath.Base(path)+"*")
	if err != nil {
		return unwritable(path, Cause(err))
	}
	giveAway(file.Name(), dir)
	_, err = file.Write(data)
	// CreateTemp makes it with this mode, less the umask
	err = errors.Join(err, file.Chmod(0o600), file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path) // on Windows, too, it replaces
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return unwritable(path, Cause(err))
	}
	return nil
}

// tryDirectory finds out whether a file can be created in the directory of path, before anything is
// made for it.
func tryDirectory(path string) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"*")
	if err != nil {
		return unwritable(path, Cause(err))
	}
	_ = file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return unwritable(path, Cause(err))
	}
	return nil
}

// SizeLimit is larger than any file that kubemint writes or reads.
const SizeLimit = 4 << 20

// Read reads a file of ours, and no more than one of ours can hold.
func Read(path string) ([]byte, error) { return disk.ReadAny(path, SizeLimit) }

func unwritable(path string, err error) error {
	return problem.New(
		problem.Config, "write "+path, err, "choose an `output` in a directory that this step may write",
	)
}

// Cause is a file error without its path, which the message names already.
func Cause(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}

// Restore puts a file's former content back, or removes the file if it did not exist before.
func Restore(path string, before []byte) error {
	if before != nil { // so it was a regular file
		if have, err := Read(path); err == nil && bytes.Equal(have, before) {
			return nil // which needs no space on a full disk
		}
		return Write(path, before)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return problem.New(problem.Revoke, "delete "+path, Cause(err),
			"this step may not write its directory: delete the file yourself")
	}
	return nil
}
