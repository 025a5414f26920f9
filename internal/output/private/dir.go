package private

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Dir is the private directory of this run.
type Dir struct {
	Path string
	lock *os.File // of the directory itself; nil where nothing can be locked
}

// Make makes a directory of mode 0700 in the first of the bases that it can be made in.
func Make(bases ...string) (*Dir, error) {
	var errs []error
	for _, base := range bases {
		path, err := os.MkdirTemp(base, prefix)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		return lockNamed(path), nil
	}
	return nil, errors.Join(errs...)
}

// lockNamed locks the directory and gives it the name of one that is locked. Where it cannot, the
// directory still works, but if this run is killed, no later run finds it.
func lockNamed(path string) *Dir {
	file, err := lockDir(path)
	if err != nil {
		return &Dir{Path: path}
	}
	random := strings.TrimPrefix(filepath.Base(path), prefix)
	locked := filepath.Join(filepath.Dir(path), lockedPrefix+random)
	if err := os.Rename(path, locked); err != nil {
		_ = file.Close()
		return &Dir{Path: path}
	}
	return &Dir{Path: locked, lock: file}
}

// Remove removes the directory with all that is in it, then gives up the lock.
func (d *Dir) Remove() error {
	err := os.RemoveAll(d.Path)
	if err == nil && d.lock != nil {
		_ = d.lock.Close()
	}
	return err
}
