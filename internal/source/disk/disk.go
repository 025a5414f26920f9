package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// MaxBytes bounds a kubeconfig, and a file that one names.
	MaxBytes = 1 << 20

	pipeWithin = 10 * time.Second // for whoever writes a kubeconfig into a pipe
)

// The errors of this room; the rest are the system's, without the path.
var (
	ErrTooLong = fmt.Errorf("it is longer than %d bytes", MaxBytes)
	ErrPipe    = errors.New("it is a pipe, and not a file")

	errNotAFile   = errors.New("it is a directory, or another thing that is not a file")
	errSilentPipe = fmt.Errorf("it is a pipe, and its writer has not closed it within %s", pipeWithin)
)

// Read reads a regular file (a pipe could hang) of at most MaxBytes. The error is without the path,
// which may be a secret that stands in the wrong field.
func Read(path string) (data []byte, err error) { return ReadRegular(path, os.Stat, os.Open) }

// ReadRegular is [Read] below a directory that stat and open belong to.
func ReadRegular(
	path string, stat func(string) (fs.FileInfo, error), open func(string) (*os.File, error),
) (data []byte, err error) {
	info, err := stat(path)
	switch {
	case err != nil:
	case info.Mode()&fs.ModeNamedPipe != 0:
		return nil, ErrPipe
	case !info.Mode().IsRegular():
		return nil, errNotAFile
	}
	var file *os.File
	if err == nil {
		file, err = open(path)
	}
	if err == nil {
		defer file.Close() //nolint:errcheck // opened for reading
		data, err = io.ReadAll(io.LimitReader(file, MaxBytes+1))
	}
	if len(data) > MaxBytes {
		return nil, ErrTooLong
	}
	return data, bareCause(err)
}

// ReadPipe reads what somebody writes into a pipe, such as the one of a shell's <(command). It can be
// read once, so it counts as content, which a later command has to be given again. A named pipe that
// nobody writes to is not waited for.
func ReadPipe(path string) ([]byte, error) {
	const mode = os.O_RDONLY | syscall.O_NONBLOCK
	pipe, err := os.OpenFile(path, mode, 0) //nolint:gosec // a path that a person named
	if err != nil {
		return nil, bareCause(err)
	}
	defer pipe.Close() //nolint:errcheck // opened for reading
	if err := pipe.SetReadDeadline(time.Now().Add(pipeWithin)); err != nil {
		return nil, errNotAFile // a system that cannot bound the wait
	}
	data, err := io.ReadAll(io.LimitReader(pipe, MaxBytes+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errSilentPipe
	case err != nil:
		return nil, bareCause(err)
	case len(data) > MaxBytes:
		return nil, ErrTooLong
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

// Remedy is what to do about a file that cannot be read.
func Remedy(err error) string {
	switch {
	case errors.Is(err, ErrTooLong):
		return "take from it what this run needs: `kubectl config view --minify --flatten --raw --context NAME`"
	case errors.Is(err, errNotAFile):
		return "give the path of the file itself"
	case errors.Is(err, ErrPipe), errors.Is(err, errSilentPipe):
		return "write it to a file in an earlier step, and give that file's path"
	case errors.Is(err, fs.ErrPermission):
		return "let the user that this step runs as read it: see the modes of the file and of the " +
			"directories above it"
	}
	return "see whether the path is right, and whether this step can read the file"
}

// Shown is a path as an error may show it. What is long, or has no slash, could be a secret pasted
// instead of a path.
func Shown(path string) string {
	if len(path) > 255 || (len(path) > 32 && !strings.ContainsAny(path, `/\`)) {
		return fmt.Sprintf("(a value of %d characters)", len(path))
	}
	return strconv.Quote(path)
}
