package workspace

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Trail says where a path leads.
type Trail struct {
	Path  string   // without links; parts that do not exist are appended unchanged
	Links []string // the links of the workspace on the way, in order
}

// mostLinks is Linux's own bound (MAXSYMLINKS).
const mostLinks = 40

// Follow resolves every link of a path. Its last parts need not exist.
func (d Dirs) Follow(path string) (Trail, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Trail{}, err
	}
	var trail Trail
	var rest []string
	trail.enterPath(path, &rest)
	for followed := 0; len(rest) > 0; {
		next := filepath.Join(trail.Path, rest[0]) // which takes .. back: there is no link before it
		rest = rest[1:]
		target, err := readLink(next)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			trail.Path = filepath.Join(append([]string{next}, rest...)...)
			return trail, nil
		case err != nil:
			return trail, err
		case target == "":
			trail.Path = next
			continue
		}
		if followed++; followed > mostLinks {
			return trail, errors.New("too many levels of symbolic links")
		}
		if _, inside := d.rootOf(trail.Path); inside {
			trail.Links = append(trail.Links, next)
		}
		trail.enterPath(target, &rest)
	}
	return trail, nil
}

// enterPath puts the parts of a path before the rest; an absolute one begins at the root.
func (t *Trail) enterPath(path string, rest *[]string) {
	if filepath.IsAbs(path) {
		volume := filepath.VolumeName(path)
		t.Path = volume + string(filepath.Separator)
		path = path[len(volume):]
	}
	parts := strings.Split(filepath.ToSlash(path), "/")
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	*rest = slices.Concat(parts, *rest)
}

// readLink returns where a link leads, and "" for anything that is not a link.
func readLink(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	const link = fs.ModeSymlink | fs.ModeIrregular // the latter is a junction of Windows, among others
	if info.Mode()&link == 0 {
		return "", nil
	}
	target, err := os.Readlink(path)
	if err != nil && info.Mode()&fs.ModeSymlink == 0 {
		return "", nil // of the others
	}
	return target, err
}

// rootOf returns the part of a path that is a directory of the checkout. It compares the
// directories, not only their names: a link, a mount or a file system that ignores case gives one
// directory several names.
func (d Dirs) rootOf(path string) (root string, inside bool) {
	for at := path; ; at = filepath.Dir(at) {
		if slices.ContainsFunc(d, func(dir string) bool { return isSameFile(dir, at) }) {
			return at, true
		}
		if at == filepath.Dir(at) {
			return "", false
		}
	}
}
