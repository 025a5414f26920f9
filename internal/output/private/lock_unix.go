//go:build unix

package private

import (
	"errors"
	"os"
	"syscall"
)

// openLock opens the file of a lock, and makes it if it does not exist. It follows no link.
func openLock(path string) (*os.File, error) {
	const flags = os.O_RDONLY | os.O_CREATE | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	return os.OpenFile(path, flags, 0o600) //nolint:gosec // nothing is read or written
}

// lockFile locks an open file, or fails at once if another process has locked it. The lock ends
// with the last descriptor, and no command inherits this one (Go opens with O_CLOEXEC).
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	for errors.Is(err, syscall.EINTR) {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return ErrLocked
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOSYS),
		errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.EINVAL):
		return ErrNoLocks
	}
	return err
}

// Release removes the file and then gives up the lock. In the opposite order it could remove the
// next process's file.
func (l *FileLock) Release() error {
	return errors.Join(l.removeFile(), l.file.Close())
}
