package platform

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

// Paths are a platform's directories, as this process sees them.
type Paths struct {
	DefaultOutput string   // where the kubeconfig goes unless the user says otherwise
	Base          string   // where a relative output path starts
	Temp          string   // the job's directory for temporary files; "" for none
	Workspace     []string // where others' code is checked out; some directories may not exist
	Contained     bool     // the platform runs this process in a container, which hides the host's files

	mounts []mount // directories of the host in that container; empty outside of one
}

// mount is a directory of the host that the platform mounts into the container.
type mount struct{ inside, outside string }

// Absolute completes a relative output path.
func (p Paths) Absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(p.Base, path)
}

// Inside translates a path of the host to where this process sees it.
func (p Paths) Inside(path string) string {
	return p.translate(path, func(m mount) (from, to string) { return m.outside, m.inside })
}

// Outside translates a path of this process to where the host sees it.
func (p Paths) Outside(path string) string {
	return p.translate(path, func(m mount) (from, to string) { return m.inside, m.outside })
}

func (p Paths) translate(path string, ends func(mount) (from, to string)) string {
	for _, m := range p.mounts {
		from, to := ends(m)
		if rest, ok := cutPrefix(path, from); ok {
			return to + rest
		}
	}
	return path
}

// Visible returns an error where a file at this path would vanish with the container.
func (p Paths) Visible(path string) error {
	mounted := slices.ContainsFunc(p.mounts, func(m mount) bool {
		_, ok := cutPrefix(path, m.inside)
		return ok
	})
	if mounted || !p.Contained {
		return nil
	}
	return problem.Newf(problem.Config, "input output", "%q is not in a directory that the "+
		"runner mounts into "+
		"this container, so the file would vanish with the step", path).
		Hint("leave `output` out, or write a path relative to the workspace")
}

// cutPrefix reports whether path is dir or lies in it, and returns what follows dir.
func cutPrefix(path, dir string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, dir)
	return rest, ok && (rest == "" || strings.HasPrefix(rest, "/"))
}
