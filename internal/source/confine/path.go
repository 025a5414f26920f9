package confine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/disk"
)

// readConfined reads a file below one of the directories that this kubeconfig may name files in.
// Symbolic links are followed first. Then the file is opened below the directory and nowhere else,
// even if somebody has changed the path meanwhile.
func (r Reader) readConfined(path, kubeconfig string) ([]byte, error) {
	share := filepath.VolumeName(path)
	if strings.HasPrefix(share, `\\`) && share != filepath.VolumeName(kubeconfig) {
		return nil, errOutside // on Windows, looking at another machine's share logs in there
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, disk.ExplainPath(path, err)
	}
	for _, dir := range r.dirsFor(kubeconfig) {
		if rest, ok := below(target, dir); ok {
			return readBelow(resolve(dir), rest)
		}
	}
	return nil, errOutside
}

// dirsFor returns the directories that a kubeconfig may name files in.
func (r Reader) dirsFor(kubeconfig string) []string {
	dirs := slices.Clone(r.Dirs)
	if kubeconfig != "" {
		dirs = append(dirs, filepath.Dir(kubeconfig))
		if liesIn(r.Home, kubeconfig) {
			dirs = append(dirs, r.Home)
		}
	}
	return dirs
}

func readBelow(dir, rest string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, errors.New("its directory cannot be opened")
	}
	defer root.Close() //nolint:errcheck // opened for reading
	return disk.ReadBelow(root, rest)
}

// liesIn reports whether a path lies in a directory: by its name, or because its links lead there.
func liesIn(dir, path string) bool {
	_, named := below(path, dir)
	_, leads := below(resolve(path), dir)
	return named || leads
}

// below reports whether a path lies in a directory, by its name or by the directory's links, and
// returns the rest of the path. The root directory holds everything, so it counts for nothing.
func below(path, dir string) (rest string, ok bool) {
	for _, dir := range []string{filepath.Clean(dir), resolve(dir)} {
		if !filepath.IsAbs(dir) || filepath.Dir(dir) == dir {
			continue
		}
		if rest, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rest) {
			return rest, true
		}
	}
	return "", false
}

// resolve returns where a path leads, or the path itself where nothing exists.
func resolve(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}
