package private

import (
	"errors"
	"os"
)

// LockFile takes the lock whose file is path, and fails at once if another process has it. The
// directory has to be there. The kernel releases the lock when its process ends, whatever ends it.
func LockFile(path string) (*FileLock, error) {
	for {
		file, err := openLock(path)
		if err != nil {
			return nil, err
		}
		if err := lockFile(file); err != nil {
			return nil, errors.Join(err, file.Close())
		}
		if hasName(file, path) {
			return &FileLock{file, path}, nil
		}
		// Its last holder removed the file between our two steps: the next one locks another file.
		_ = file.Close()
	}
}

// hasName reports whether the file still has its name.
func hasName(file *os.File, path string) bool {
	locked, err := file.Stat()
	now, nowErr := os.Lstat(path)
	return err == nil && nowErr == nil && os.SameFile(locked, now)
}

// removeFile removes the file. One that holds anything is not of our making, and stays.
func (l *FileLock) removeFile() error {
	if info, err := os.Lstat(l.path); err != nil || info.Size() > 0 {
		return err
	}
	return os.Remove(l.path)
}
