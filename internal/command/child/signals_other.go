//go:build !unix

package child

import (
	"io"
	"os"
	"os/exec"
)

// forwardedSignals is nothing: a console sends its interrupt to the command itself.
func forwardedSignals(io.Reader) []os.Signal { return []os.Signal{os.Interrupt} }

// signalCode is never true: no signal ends a command here.
func signalCode(_ *exec.Cmd) (code int, ok bool) { return 0, false }
