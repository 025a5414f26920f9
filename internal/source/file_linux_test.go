package source

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// As root can read everything, the test looks at files as another user: the kernel keeps that user for each thread
// (setfsuid(2)), and only Linux has it.
func TestPermissionDeniedIsSaid(t *testing.T) {
	path := write(t, t.TempDir()+"/config", entries("x", "x=x"))
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	var err error
	func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if os.Geteuid() == 0 {
			_ = syscall.Setfsuid(65534) // it tells of no failure; then the file could be read
			defer func() { _ = syscall.Setfsuid(0) }()
		}
		_, err = Load(Input{Given: Given{Kubeconfig: path}, Host: Host{Getenv: env()}})
	}()
	if got := failure(t, err); !strings.Contains(got, "permission denied") {
		t.Error(got)
	}
}
