//go:build unix

package child

import (
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/kubemint/kubemint/internal/console"
)

// forwardedSignals are the signals that exec hands to the command: the ones that a job or a person
// sends to a program. A terminal sends its signals to the command itself: a second SIGINT would
// make terraform drop everything.
func forwardedSignals(stdin io.Reader) []os.Signal {
	signals := []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
	if console.IsTerminal(stdin) {
		return signals
	}
	return append(signals, syscall.SIGINT, syscall.SIGQUIT)
}

// signalCode returns the exit code of a command that a signal ended, as a shell gives it.
func signalCode(cmd *exec.Cmd) (code int, ok bool) {
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return 0, false
	}
	return ExitSignalBase + int(status.Signal()), true
}
