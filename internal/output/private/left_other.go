//go:build !unix

package private

import (
	"errors"
	"os"
)

// Left is a directory whose run has ended without removing it.
type Left struct{ Path string }

// FindLeft finds nothing: directories cannot be locked here, and so nothing tells one in use from
// one that is left.
func FindLeft(...string) []Left { return nil }

// Remove is never called here.
func (Left) Remove() error { return errors.ErrUnsupported }

// Release is never called here.
func (Left) Release() error { return nil }

func lockDir(string) (*os.File, error) { return nil, errors.ErrUnsupported }
