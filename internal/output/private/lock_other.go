//go:build !unix && !windows

package private

import "os"

func openLock(string) (*os.File, error) { return nil, ErrNoLocks }

func lockFile(*os.File) error { return ErrNoLocks }

// Release is never called here.
func (*FileLock) Release() error { return nil }
