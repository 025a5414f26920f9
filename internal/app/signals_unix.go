//go:build unix

package app

import (
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/kubemint/kubemint/internal/console"
)

// forwarded are the signals that exec hands to the command: those by which a job or a person tells a program something.
// What a terminal sends, it sends to the command as well: a second SIGINT would have terraform drop everything.
func forwarded(stdin io.Reader) []os.Signal {
	signals := []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
	if console.IsTerminal(stdin) {
		return signals
	}
	return append(signals, syscall.SIGINT, syscall.SIGQUIT)
}

// signaled returns the exit code of a command that a signal ended, as a shell gives it.
func signaled(cmd *exec.Cmd) (code int, ok bool) {
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return 0, false
	}
	return exitSignalBase + int(status.Signal()), true
}
