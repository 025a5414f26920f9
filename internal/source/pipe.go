package source

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

// pipeWithin bounds the wait for whoever writes a kubeconfig into a pipe.
const pipeWithin = 10 * time.Second

var (
	errPipe       = errors.New("it is a pipe, and not a file")
	errSilentPipe = fmt.Errorf("it is a pipe, and its writer has not closed it within %s", pipeWithin)
)

// readPipe reads what somebody writes into a pipe, such as the one of a shell's <(command). It can be
// read once, so it counts as content, which a later command has to be given again. A named pipe that
// nobody writes to is not waited for.
func readPipe(path string) ([]byte, error) {
	const mode = os.O_RDONLY | syscall.O_NONBLOCK
	pipe, err := os.OpenFile(path, mode, 0) //nolint:gosec // a path that a person named
	if err != nil {
		return nil, bareCause(err)
	}
	defer pipe.Close() //nolint:errcheck // opened for reading
	if err := pipe.SetReadDeadline(time.Now().Add(pipeWithin)); err != nil {
		return nil, errNotAFile // a system that cannot bound the wait
	}
	data, err := io.ReadAll(io.LimitReader(pipe, maxBytes+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errSilentPipe
	case err != nil:
		return nil, bareCause(err)
	case len(data) > maxBytes:
		return nil, errTooLong
	}
	return data, nil
}

// bareCause is an error of a file without its path, which may be a secret that stands in the wrong field.
func bareCause(err error) error {
	if failed, ok := errors.AsType[*os.PathError](err); ok {
		return failed.Err
	}
	return err
}
