package process

import (
	"errors"
	"os"
	"os/signal"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Reap collects the orphans that the kernel gives to process 1, or to a subreaper, until stop is
// called: they would stay as zombies when they end. It leaves the child of the given process id to
// its caller. In any other process it does nothing.
func Reap(command int) (stop func()) {
	if !inheritsOrphans() {
		return func() {}
	}
	ended := make(chan os.Signal, 1) // one pending signal is enough: each has all of them reaped
	signal.Notify(ended, unix.SIGCHLD)
	done := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for {
			reapEnded(command)
			select {
			case <-ended:
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(ended)
		close(done)
		<-finished
		reapEnded(command) // what ended together with the command, and stood behind it
	}
}

func inheritsOrphans() bool {
	if os.Getpid() == 1 {
		return true
	}
	var subreaper int32
	pointer := uintptr(unsafe.Pointer(&subreaper)) //nolint:gosec // the kernel answers there
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, pointer, 0, 0, 0)
	return err == nil && subreaper != 0
}

// childInfo is the part of the kernel's siginfo_t that says which child has ended. Its union is
// aligned as a pointer is.
type childInfo struct {
	_   [3]int32 // signal, errno, code
	_   [0]uintptr
	pid int32
	_   [112]byte
}

// reapEnded reaps every child that has ended, up to the command: the kernel tells of one at a time,
// and of the command until somebody has waited for it. Then the next signal, or stop, brings us
// back.
func reapEnded(command int) {
	for {
		// Look at the child before waiting for it: the command's exit code belongs to its parent.
		var info childInfo
		pointer := (*unix.Siginfo)(unsafe.Pointer(&info)) //nolint:gosec // the same 128 bytes, with a named pid
		err := unix.Waitid(unix.P_ALL, 0, pointer, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		pid := int(info.pid)
		if err != nil || pid == 0 || pid == command {
			return
		}
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
	}
}
