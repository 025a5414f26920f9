//go:build unix

package output

import (
	"os"
	"syscall"
)

// giveAway gives path to the owner of dir, where this process is root and another user is to read
// the file: a container step runs as root, and the steps after it on the host do not
// (actions/runner#1282). It ignores failure, as in a rootless container: there root inside is the
// user outside.
func giveAway(path, dir string) {
	if os.Geteuid() != 0 {
		return
	}
	if info, err := os.Stat(dir); err == nil {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			_ = os.Lchown(path, int(owner.Uid), int(owner.Gid))
		}
	}
}
