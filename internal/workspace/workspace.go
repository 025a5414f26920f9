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

// Hold says whether a path lies in the checkout: by its name, by where its symbolic links lead, or by a link
// on the way. A path that does not exist yet counts by the directories that do.
func (d Dirs) Hold(path string) bool {
	path, err := filepath.Abs(path)
	return err != nil || slices.ContainsFunc(Trail(path), func(at string) bool {
		return slices.ContainsFunc(d, func(dir string) bool { return holds(dir, at) })
	})
}

// holds compares names and then the directories themselves: one directory can have several names, by a link,
// a mount or a file system that ignores case.
func holds(dir, path string) bool {
	if rest, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rest) {
		return true
	}
	for ; filepath.Dir(path) != path; path = filepath.Dir(path) {
		if same(dir, path) {
			return true
		}
	}
	return false
}

// maxLinks is how many links are followed from one path. Linux gives up after 40.
const maxLinks = 40

// Trail returns an absolute path and each path that its symbolic links lead to in turn. The last one has no
// link in it.
func Trail(path string) []string {
	trail := []string{filepath.Clean(path)}
	for len(trail) <= maxLinks {
		next, linked := follow(trail[len(trail)-1])
		if !linked {
			break
		}
		trail = append(trail, next)
	}
	return trail
}

// follow replaces the first symbolic link in a path by its target.
func follow(path string) (next string, linked bool) {
	parent := filepath.Dir(path)
	if parent == path {
		return path, false
	}
	if next, linked = follow(parent); linked {
		return filepath.Join(next, filepath.Base(path)), true
	}
	target, err := os.Readlink(path)
	if err != nil {
		return path, false
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(parent, target)
	}
	return filepath.Clean(target), true
}

// resolve is where a path leads. Unlike filepath.EvalSymlinks it does so for one that does not exist as well.
func resolve(path string) string {
	trail := Trail(path)
	return trail[len(trail)-1]
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
