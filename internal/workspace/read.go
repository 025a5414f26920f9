package workspace

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/kubemint/kubemint/internal/disk"
)

// LeadsOutError is the error for a link of the workspace that leads out of it.
type LeadsOutError struct{ Link string }

func (e LeadsOutError) Error() string {
	return fmt.Sprintf("the link %q leads out of the workspace", e.Link)
}

// ReadFile reads a regular file of at most so many bytes. A path that passes a link of the
// workspace may not leave the workspace. Any other path is read wherever it leads, since only its
// author has chosen it.
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
		return disk.ReadRegular(disk.Everywhere{}, path, most)
	}
	name, err := filepath.Rel(base, trail.Path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(base) // a link that is put there from now on is not followed out of it
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // opened for reading
	return disk.ReadRegular(root, name, most)
}
