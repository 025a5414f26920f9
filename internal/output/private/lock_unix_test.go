//go:build unix

package private_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kubemint/kubemint/internal/output/private"
)

// Many take and release one lock: never two have it, and no file is left, although each removes the file that the next one
// may have opened already.
func TestLockFile_OneAtATime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.lock")
	var holders, taken atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 300 {
				lock, err := private.LockFile(path)
				if errors.Is(err, private.ErrLocked) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if holders.Add(1) > 1 {
					t.Error("two have the lock")
				}
				taken.Add(1)
				holders.Add(-1)
				if err := lock.Release(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) || taken.Load() == 0 {
		t.Errorf("taken %d times; %v", taken.Load(), err)
	}
}

// A file in the lock's place that is not a lock is left unchanged.
func TestLockFile_SomethingElseIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	theirs := filepath.Join(dir, "theirs")
	if err := os.WriteFile(theirs, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	lock, err := private.LockFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := private.LockFile(theirs); !errors.Is(err, private.ErrLocked) {
		t.Errorf("a second time: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
	if content, err := os.ReadFile(theirs); err != nil || string(content) != "content" {
		t.Errorf("it is %q now, %v", content, err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(theirs, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, filepath.Join(dir, "missing", "lock"), dir} {
		if _, err := private.LockFile(path); err == nil || errors.Is(err, private.ErrLocked) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A file that a killed process left is no obstacle.
func TestLockFile_LeftOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.lock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lock, err := private.LockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
}
