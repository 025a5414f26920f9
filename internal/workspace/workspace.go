package workspace

import (
	"os"
	"path/filepath"
	"slices"
)

// Dirs are the directories of the checkout, each an absolute path. The root directory is never one
// of them: everything lies in it.
type Dirs []string

// marks are the entries that mark the top of a checkout. In a submodule and in a linked worktree,
// `.git` is a file.
var marks = []string{".git", ".hg", ".svn", ".jj"}

// Find returns the checkout: the directories that the CI system names, and the outermost repository
// around the working directory. The root of a submodule's superproject is further up, and a pull
// request could add a `.git` deeper down to make the checkout look smaller.
//
// If neither exists, the working directory counts by itself, unless it is the root or the home
// directory, where no job checks out code.
func Find(named []string, dir, home string) Dirs {
	var found Dirs
	known := false
	for _, name := range named {
		found = found.addDir(name)
		known = known || isThere(name)
	}
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	for _, from := range []string{dir, resolveLinks(dir)} {
		if top := findOutermost(from); top != "" {
			found = found.addDir(top)
			known = true
		}
	}
	if !known && !isSameFile(dir, home) {
		found = found.addDir(dir)
	}
	return found
}

// addDir adds a directory that can be a checkout.
func (d Dirs) addDir(dir string) Dirs {
	dir = filepath.Clean(dir)
	if !filepath.IsAbs(dir) || filepath.Dir(dir) == dir || slices.Contains(d, dir) {
		return d
	}
	return append(d, dir)
}

// findOutermost returns the topmost directory at or above dir that holds a repository, "" for none.
func findOutermost(dir string) (top string) {
	for ; filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		if slices.ContainsFunc(marks, func(mark string) bool { return isThere(filepath.Join(dir, mark)) }) {
			top = dir
		}
	}
	return top
}

// Hold reports whether a path lies in the checkout: by its name, by where its symbolic links lead,
// or by a link on the way. A path that does not exist yet counts by the directories that do.
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

// resolveLinks returns where a path leads, or the path itself if that is unknown. Unlike
// filepath.EvalSymlinks, it also follows a path that does not exist.
func resolveLinks(path string) string {
	trail, err := Dirs(nil).Follow(path)
	if err != nil {
		return path
	}
	return trail.Path
}

// isSameFile reports whether two names belong to the same file.
func isSameFile(a, b string) bool {
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

// isThere reports whether a path exists. It does not follow a link: a broken link exists.
func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
