//go:build unix

package receipt

import (
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

func userID() string { return strconv.Itoa(os.Geteuid()) }

// private says whether a directory is our own and nobody else may write to it.
func private(dir fs.FileInfo) bool {
	owner, ok := dir.Sys().(*syscall.Stat_t)
	return ok && int(owner.Uid) == os.Geteuid() && dir.Mode().Perm()&0o077 == 0
}
