package checkout

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Dir is the workspace, of one directory or more. The zero value is none: then nothing lies in it.
type Dir struct{ roots []fs.FileInfo }

// At is the workspace of these directories; one that is not there does not count.
func At(workspace ...string) (d Dir) {
	for _, path := range workspace {
		if info, err := os.Stat(path); err == nil {
			d.roots = append(d.roots, info)
		}
	}
	return d
}

// Trail is where a path leads.
type Trail struct {
	Path  string   // without links; what does not exist is appended as it is named
	Links []string // the links of the workspace on the way, in order
}

// mostLinks is Linux's own bound (MAXSYMLINKS).
const mostLinks = 40

// Follow resolves every link of a path. Its last parts need not exist.
func (d Dir) Follow(path string) (Trail, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Trail{}, err
	}
	var trail Trail
	var rest []string
	trail.enter(path, &rest)
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
		trail.enter(target, &rest)
	}
	return trail, nil
}

// enter puts the parts of a path before the rest; an absolute one begins at the root.
func (t *Trail) enter(path string, rest *[]string) {
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

// rootOf returns the directory on a path that is the workspace. Directories are compared and not names: a
// file system may take no note of case, and the workspace may itself be reached by a link.
func (d Dir) rootOf(path string) (root string, inside bool) {
	for at := path; len(d.roots) > 0; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		same := func(root fs.FileInfo) bool { return os.SameFile(info, root) }
		if err == nil && slices.ContainsFunc(d.roots, same) {
			return at, true
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	return "", false
}
