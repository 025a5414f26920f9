package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/kubemint/kubemint/internal/problem"
)

// makeDirs makes the missing parents of a file with mode 0700 and returns those it made, outermost first. As root in a
// container they are given to the owner of the directory that was there before, who has to reach the file later.
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
			return nil, unwritable(dir, cause(err))
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
			return made, unwritable(path, cause(err))
		}
		made = append(made, path)
		if err := os.Chmod(path, 0o700); err != nil { //nolint:gosec // a directory; the umask may have taken bits away
			return made, unwritable(path, cause(err))
		}
		giveAway(path, dir)
	}
	return made, nil
}

// writeFile replaces a file atomically and durably: a temporary file of mode 0600 beside it, fsync, rename. A reader
// sees the old content or the new, and nobody but the owner sees either. (It is not left to renameio, which is not for
// Windows. A mode means nothing there: who may read the file is what the directory hands down.)
func writeFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, "."+filepath.Base(path)+"*")
	if err != nil {
		return unwritable(path, cause(err))
	}
	giveAway(file.Name(), dir)
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(0o600), file.Sync(), file.Close()) // it has this mode but for what the umask takes away
	if err == nil {
		err = os.Rename(file.Name(), path) // on Windows, too, it replaces
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return unwritable(path, cause(err))
	}
	return nil
}

// tryDirectory finds out whether a file can be written beside others of its directory, before anything is made for it.
func tryDirectory(path string) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"*")
	if err != nil {
		return unwritable(path, cause(err))
	}
	_ = file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return unwritable(path, cause(err))
	}
	return nil
}

// fileLimit is more than any file of ours has.
const fileLimit = 4 << 20

func readBounded(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the user's own path; a FIFO must not hold the job
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	data, err := io.ReadAll(io.LimitReader(file, fileLimit+1))
	if err == nil && len(data) > fileLimit {
		err = fmt.Errorf("longer than %d bytes", fileLimit)
	}
	return data, err
}

func unwritable(path string, err error) error {
	return problem.New(problem.Config, "write "+path, err, "choose an `output` in a directory that this step may write")
}

// cause is a file error without the path, which the message has already.
func cause(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return path.Err
	}
	return err
}
