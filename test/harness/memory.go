package harness

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// RunWatchingMemory runs a program, and returns the most memory that it had, in KiB.
func RunWatchingMemory(t *testing.T, command *exec.Cmd) (peak int) {
	t.Helper()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended, watched := make(chan struct{}), make(chan int)
	go func() { watched <- watchMemory(command.Process.Pid, ended) }()
	_ = command.Wait()
	close(ended)
	return <-watched
}

// watchMemory reads a process's peak memory until it ends. (getrusage's ru_maxrss counts the parent's, from before the exec.)
func watchMemory(pid int, ended <-chan struct{}) (peak int) {
	for {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status); found != nil {
			peak, _ = strconv.Atoi(string(found[1]))
		}
		select {
		case <-ended:
			return peak
		case <-time.After(5 * time.Millisecond):
		}
	}
}
