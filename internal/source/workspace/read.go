package workspace

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// LeadsOutError is the error for a link of the workspace that leads out of it.
type LeadsOutError struct{ Link string }

func (e LeadsOutError) Error() string {
	return fmt.Sprintf("the link %q leads out of the workspace", e.Link)
}

// ReadFile reads a regular file of at most so many bytes. A path that passes a link of the workspace may not
// leave the workspace; any other one is read wherever it leads, since nobody but its author has chosen it.
func (d Dirs) ReadFile(path string, most int64) ([]byte, error) {
	trail, err := d.Follow(path)
	if err != nil {
		return nil, err
	}
	base, inside := d.rootOf(trail.Path)
	switch {
	case !inside && len(trail.Links) > 0:
		return nil, LeadsOutError{trail.Links[0]}
	case !inside:
		return readRegular(os.Stat, os.OpenFile, path, most)
	}
	name, err := filepath.Rel(base, trail.Path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(base) // where a link put there in this moment leads no further
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // opened for reading
	return readRegular(root.Stat, root.OpenFile, name, most)
}

type (
	stat func(string) (fs.FileInfo, error)
	open func(string, int, fs.FileMode) (*os.File, error)
)

var errNotRegular = errors.New("it is not a regular file")

// readRegular looks before it opens, since to open a device can have an effect, and looks again at what it
// has opened. A FIFO that gets there in between does not hold the job.
func readRegular(stat stat, open open, path string, most int64) ([]byte, error) {
	info, err := stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	file, err := open(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("it is longer than %d bytes", most)
	}
	return data, err
}
