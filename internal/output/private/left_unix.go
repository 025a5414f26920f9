//go:build unix

package private

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Left is a directory whose run has ended without removing it. It is locked, so that two later runs
// do not both deal with it: call [Left.Remove] or [Left.Release].
type Left struct {
	Path string
	base *os.Root
	lock *os.File
}

// FindLeft returns the directories that runs of this user have left in the bases. What is another
// user's, a link, open to others, or in use is passed over.
func FindLeft(bases ...string) []Left {
	var all []Left
	var seen []fs.FileInfo
	for _, base := range bases {
		info, err := os.Stat(base)
		twice := func(other fs.FileInfo) bool { return os.SameFile(info, other) }
		if err != nil || slices.ContainsFunc(seen, twice) {
			continue
		}
		seen = append(seen, info)
		paths, _ := filepath.Glob(filepath.Join(escapePattern(base), lockedPrefix+"*"))
		for _, path := range paths {
			if left, err := takeOver(path); err == nil {
				all = append(all, left)
			}
		}
	}
	return all
}

// escapePattern keeps a base with an asterisk in its name from being a pattern.
func escapePattern(base string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(base)
}

var errNotOurs = errors.New("not a directory that a run of this user has left")

// takeOver locks a directory that is not locked.
func takeOver(path string) (left Left, err error) {
	base, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return Left{}, err
	}
	name := filepath.Base(path)
	if !isPrivate(base, name) {
		return Left{}, errors.Join(errNotOurs, base.Close())
	}
	file, err := lockDir(path)
	if err != nil {
		return Left{}, errors.Join(err, base.Close())
	}
	locked, err := file.Stat()
	now, nowErr := base.Lstat(name)
	// Another run may have removed it meanwhile.
	if err != nil || nowErr != nil || !os.SameFile(locked, now) || !isPrivate(base, name) {
		return Left{}, errors.Join(errNotOurs, file.Close(), base.Close())
	}
	return Left{Path: path, base: base, lock: file}, nil
}

// isPrivate reports whether an entry is a directory, and no link to one, that this user alone can
// read.
func isPrivate(base *os.Root, name string) bool {
	info, err := base.Lstat(name)
	if err != nil || info.Mode() != fs.ModeDir|0o700 {
		return false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(owner.Uid) == os.Geteuid()
}

// Remove removes the directory with all that is in it.
func (l Left) Remove() error {
	return errors.Join(l.base.RemoveAll(filepath.Base(l.Path)), l.Release())
}

// Release gives up the lock and keeps the directory.
func (l Left) Release() error { return errors.Join(l.lock.Close(), l.base.Close()) }

// lockDir takes a directory's lock, or fails at once if another process has it.
func lockDir(path string) (*os.File, error) {
	const flags = os.O_RDONLY | syscall.O_DIRECTORY | syscall.O_NOFOLLOW
	file, err := os.OpenFile(path, flags, 0) //nolint:gosec // our own directory, and nothing is read
	if err != nil {
		return nil, err
	}
	if err := lockFile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
