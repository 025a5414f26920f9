//go:build unix

package receipt

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

func userID() string { return strconv.Itoa(os.Geteuid()) }

// isPrivate reports whether we own a directory and no one else may write to it.
func isPrivate(dir fs.FileInfo) bool {
	owner, ok := dir.Sys().(*syscall.Stat_t)
	return ok && int(owner.Uid) == os.Geteuid() && dir.Mode().Perm()&0o077 == 0
}

// isAnothers reports whether a file is neither ours nor the user's whose directory it lies in: in a
// directory where every user may create files, such as /tmp, anyone could have put it there. As
// root in a container we give our files to the directory's owner.
func isAnothers(path string) bool {
	file, fileErr := os.Lstat(path)
	dir, dirErr := os.Stat(filepath.Dir(path))
	if fileErr != nil || dirErr != nil {
		return false
	}
	owner, known := file.Sys().(*syscall.Stat_t)
	host, hostKnown := dir.Sys().(*syscall.Stat_t)
	return !known || !hostKnown || (int(owner.Uid) != os.Geteuid() && owner.Uid != host.Uid)
}
