package workspace

import (
	"os"
	"path/filepath"
	"slices"
)

// Dirs are the directories of the checkout, each an absolute path. The root directory is never one of them:
// everything lies in it.
type Dirs []string

// marks are the entries by which the top of a checkout is recognised. In a submodule and in a linked worktree
// `.git` is a file.
var marks = []string{".git", ".hg", ".svn", ".jj"}

// Find returns the checkout: the directories that the CI system names, and the outermost repository around
// the working directory. It is the outermost one, because the root of a submodule's superproject is further
// up, and because a pull request can put a `.git` deeper down and so make the checkout look smaller than it
// is.
//
// Where neither exists, the working directory counts by itself. Nobody checks out into the root directory or
// straight into the home directory.
func Find(named []string, dir, home string) Dirs {
	var found Dirs
	known := false
	for _, name := range named {
		found = found.with(name)
		known = known || exists(name)
	}
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	for _, from := range []string{dir, resolve(dir)} {
		if top := outermost(from); top != "" {
			found, known = found.with(top), true
		}
	}
	if !known && !same(dir, home) {
		found = found.with(dir)
	}
	return found
}

// with adds a directory that can be one.
func (d Dirs) with(dir string) Dirs {
	dir = filepath.Clean(dir)
	if !filepath.IsAbs(dir) || filepath.Dir(dir) == dir || slices.Contains(d, dir) {
		return d
	}
	return append(d, dir)
}

// outermost is the topmost directory at or above dir that holds a repository, "" where none does.
func outermost(dir string) (top string) {
	for ; filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		if slices.ContainsFunc(marks, func(mark string) bool { return exists(filepath.Join(dir, mark)) }) {
			top = dir
		}
	}
	return top
}

// Hold says whether a path lies in the checkout: by its name, by where its symbolic links lead, or by a link on the way.
// A path that does not exist yet counts by the directories that do.
func (d Dirs) Hold(path string) bool {
	if len(d) == 0 {
		return false
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return true
	}
	if _, named := d.rootOf(path); named {
		return true
	}
	trail, _ := d.Follow(path) // as far as it can be followed, which is as far as it can be opened
	_, leads := d.rootOf(trail.Path)
	return leads || len(trail.Links) > 0
}

// resolve is where a path leads, or the path itself where that cannot be found out. Unlike filepath.EvalSymlinks it follows a
// path that does not exist as well.
func resolve(path string) string {
	trail, err := Dirs(nil).Follow(path)
	if err != nil {
		return path
	}
	return trail.Path
}

// same says whether two names are those of one file.
func same(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// exists does not follow a link: a broken one is there all the same.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
