//go:build !unix

package app

import (
	"io"
	"os"
	"os/exec"
)

// forwarded is nothing: a console sends its interrupt to the command itself.
func forwarded(io.Reader) []os.Signal { return []os.Signal{os.Interrupt} }

// signaled is never true: no signal ends a command here.
func signaled(_ *exec.Cmd) (code int, ok bool) { return 0, false }
