package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

const (
	// MaxBytes bounds a kubeconfig, a file that one names, and a receipt.
	MaxBytes = 1 << 20

	pipeWithin = 10 * time.Second // bounds the wait for the writer of a pipe
)

// Causes that this room finds. All other causes are the system's.
var (
	ErrPipe       = errors.New("it is a pipe, and not a file")
	errNotRegular = errors.New("it is not a regular file")
	errSilentPipe = fmt.Errorf("it is a pipe, and its writer has not closed it within %s", pipeWithin)
)

// TooLongError is the error for a file with more bytes than its bound.
type TooLongError struct{ Most int64 }

func (e TooLongError) Error() string { return fmt.Sprintf("it is longer than %d bytes", e.Most) }

// Directory opens files by name: an [os.Root], or the whole file system.
type Directory interface {
	Stat(name string) (fs.FileInfo, error)
	OpenFile(name string, flags int, mode fs.FileMode) (*os.File, error)
}

// Everywhere is the whole file system.
type Everywhere struct{}

// Stat is [os.Stat].
func (Everywhere) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// OpenFile is [os.OpenFile].
func (Everywhere) OpenFile(name string, flags int, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(name, flags, mode) //nolint:gosec // a path that a person named
}

// ReadRegular reads a regular file of at most so many bytes. It looks before it opens, since
// opening a device can have an effect, and checks again what it has opened.
func ReadRegular(in Directory, name string, most int64) ([]byte, error) {
	info, err := in.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	file, err := in.OpenFile(name, nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	return readBounded(file, most)
}

// ReadAny reads at most so many bytes of whatever lies at a path. A pipe without a writer reads as
// an empty file, so that it cannot hang the job.
func ReadAny(path string, most int64) ([]byte, error) {
	file, err := Everywhere{}.OpenFile(path, nonBlocking, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	return readBounded(file, most)
}

// nonBlocking opens a pipe without waiting for its writer.
const nonBlocking = os.O_RDONLY | syscall.O_NONBLOCK

// readBounded reads a file to its end, or fails where that is further than the bound.
func readBounded(file io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(data)) > most {
		return nil, TooLongError{Most: most}
	}
	return data, err
}
