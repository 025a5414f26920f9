package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// Read reads a file of a source: a regular file of at most [MaxBytes].
func Read(path string) ([]byte, error) { return ReadBelow(Everywhere{}, path) }

// ReadBelow is [Read] in a directory.
func ReadBelow(in Directory, name string) ([]byte, error) {
	if info, err := in.Stat(name); err == nil && isPipe(info) {
		return nil, ErrPipe
	}
	data, err := ReadRegular(in, name, MaxBytes)
	return data, dropPath(err)
}

// ExplainPath returns why a path whose links cannot be followed is not read: what lies there, or
// else err. Some links of /proc lead to something without a path; they are not opened.
func ExplainPath(path string, err error) error {
	info, statErr := os.Stat(path)
	switch {
	case statErr != nil:
		return dropPath(statErr)
	case isPipe(info):
		return ErrPipe
	case !info.Mode().IsRegular():
		return errNotRegular
	}
	return dropPath(err)
}

func isPipe(info fs.FileInfo) bool { return info.Mode()&fs.ModeNamedPipe != 0 }

// ReadPipe reads what somebody writes into a pipe, such as that of a shell's <(command). It can be
// read once, so it counts as content, which a later command has to be given again. It does not wait
// for a named pipe without a writer.
func ReadPipe(path string) ([]byte, error) {
	pipe, err := Everywhere{}.OpenFile(path, nonBlocking, 0)
	if err != nil {
		return nil, dropPath(err)
	}
	defer pipe.Close() //nolint:errcheck // opened for reading
	if err := pipe.SetReadDeadline(time.Now().Add(pipeWithin)); err != nil {
		return nil, errNotRegular // a system that cannot bound the wait
	}
	data, err := readBounded(pipe, MaxBytes)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errSilentPipe
	}
	return data, dropPath(err)
}

// dropPath returns the cause of a file error without its path, which may be a secret in the wrong
// field.
func dropPath(err error) error {
	if failed, ok := errors.AsType[*os.PathError](err); ok {
		return failed.Err
	}
	return err
}

// Remedy returns what to do about a file that cannot be read.
func Remedy(err error) string {
	switch {
	case errors.As(err, new(TooLongError)):
		return "take from it what this run needs: `kubectl config view --minify --flatten " +
			"--raw --context NAME`"
	case errors.Is(err, errNotRegular):
		return "give the path of the file itself"
	case errors.Is(err, ErrPipe), errors.Is(err, errSilentPipe):
		return "write it to a file in an earlier step, and give that file's path"
	case errors.Is(err, fs.ErrPermission):
		return "let the user that this step runs as read it: see the modes of the file and of " +
			"the directories above it"
	}
	return "see whether the path is right, and whether this step can read the file"
}

// ShowPath returns a path as an error may show it. A long value, or one without a slash, could be a
// secret that was pasted instead of a path.
func ShowPath(path string) string {
	if len(path) > 255 || (len(path) > 32 && !strings.ContainsAny(path, `/\`)) {
		return fmt.Sprintf("(a value of %d characters)", len(path))
	}
	return strconv.Quote(path)
}
