package receipt

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Store knows where the receipts of this job lie. It neither keeps nor reads one in the checkout: a
// pull request could have committed it.
type Store struct {
	// InWorkspace reports whether a path lies in the workspace, by its name or by its links. nil:
	// there is no workspace.
	InWorkspace func(path string) bool
	// Outside translates a path to the host's name for it, so that a step inside a container and
	// one outside find the same receipt. nil: they are the same.
	Outside func(path string) string
	// Temp is the job's directory for temporary files, State the user's directory for state, Shared
	// a directory in which every user of the machine may create files. Each may be "".
	Temp, State, Shared string
}

// ErrNoPlace means that there is no directory outside the workspace for a receipt.
var ErrNoPlace = errors.New("no directory outside the workspace can hold the receipt")

// Read returns the receipt of the kubeconfig at output, and where the receipt lies. The error is
// os.ErrNotExist if there is no receipt.
func (s Store) Read(output string) (*Receipt, string, error) {
	for _, place := range s.listPlaces(output) {
		if s.isRefused(place) {
			continue
		}
		if _, err := os.Lstat(place.path); err != nil && !place.beside {
			continue // it does not exist, or we may not see it
		}
		record, err := readFile(place.path)
		return record, place.path, err
	}
	return nil, "", fs.ErrNotExist
}

// Choose returns where the receipt of the kubeconfig at output goes. The caller makes the output's
// own directory; Choose makes any other.
func (s Store) Choose(output string) (path string, err error) {
	for _, place := range s.listPlaces(output) {
		if place.beside {
			return place.path, nil
		}
		if s.isRefused(place) || os.MkdirAll(filepath.Dir(place.path), 0o700) != nil || s.isRefused(place) {
			continue
		}
		if isWritable(filepath.Dir(place.path)) {
			return place.path, nil
		}
	}
	return "", ErrNoPlace
}

// place is one directory that may hold a receipt.
type place struct {
	path   string
	beside bool
	shared bool // others may create files next to our directory
}

// listPlaces lists where the receipt of a kubeconfig may lie, best first.
func (s Store) listPlaces(output string) []place {
	if !s.inWorkspace(output) && !s.inWorkspace(Path(output)) {
		return []place{{path: Path(output), beside: true}}
	}
	name := s.fileName(output)
	var all []place
	if s.Temp != "" {
		all = append(all, place{path: filepath.Join(s.Temp, "kubemint", name)})
	}
	if s.State != "" {
		all = append(all, place{path: filepath.Join(s.State, "kubemint", name)})
	}
	if s.Shared != "" {
		all = append(all, place{path: filepath.Join(s.Shared, "kubemint-"+userID(), name), shared: true})
	}
	return all
}

// fileName is the receipt's file name: it follows from the output's path alone, so that revoke
// needs nothing else to find it.
func (s Store) fileName(output string) string {
	if s.Outside != nil {
		output = s.Outside(output)
	}
	sum := sha256.Sum256([]byte(filepath.Clean(output)))
	return hex.EncodeToString(sum[:16]) + ".receipt"
}

func (s Store) inWorkspace(path string) bool { return s.InWorkspace != nil && s.InWorkspace(path) }

// isRefused reports whether others may have written the file in a place: it is in the workspace,
// another user's file, or in a directory that another user made. What is not there yet is not
// refused.
func (s Store) isRefused(p place) bool {
	dir := filepath.Dir(p.path)
	if !filepath.IsAbs(dir) || s.inWorkspace(p.path) || isAnothers(p.path) {
		return true
	}
	info, err := os.Lstat(dir)
	if !p.shared || errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return err != nil || !info.IsDir() || !isPrivate(info)
}

// isWritable tries: a mode says little on a read-only file system, or in a container of another
// user.
func isWritable(dir string) bool {
	file, err := os.CreateTemp(dir, ".try*")
	if err != nil {
		return false
	}
	_ = file.Close()
	return os.Remove(file.Name()) == nil
}
