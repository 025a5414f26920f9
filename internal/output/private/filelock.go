package private

import (
	"errors"
	"os"
)

// ErrLocked means that another process has the lock.
var ErrLocked = errors.New("another process has the lock")

// ErrNoLocks means that files cannot be locked here: the system or the file system has no locks.
var ErrNoLocks = errors.New("files cannot be locked here")

// FileLock is a lock by a file that is there only while somebody has it, or after its process was
// killed.
type FileLock struct {
	file *os.File
	path string
}
