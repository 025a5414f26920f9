package source

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/source/disk"
	"github.com/kubemint/kubemint/internal/source/form"
	"github.com/kubemint/kubemint/internal/source/workspace"
)

const flatten = "embed the file: `kubectl config view --raw --flatten`"

// secretFields are those whose file is a credential. The rest holds certificates, and must parse as such.
var secretFields = []string{"tokenFile", "client-key", "--client-certificate", "--federated-token-file"}

// embed moves what the file holds that a field names into the field's -data twin, unless that says something already. It
// returns where the file is.
func (l *loader) embed(op, field string, path *string, data *[]byte, kubeconfig string) (file string, err error) {
	file, *path = *path, ""
	if len(*data) > 0 || file == "" {
		return "", nil
	}
	file, *data, err = l.readNamed(op, field, file, kubeconfig)
	return file, err
}

// readNamed reads a file that a kubeconfig names, if it may name that one. A relative path is seen from the
// kubeconfig's own directory (clientcmd.ResolveLocalPaths).
func (l *loader) readNamed(op, field, path, kubeconfig string) (file string, data []byte, err error) {
	if form.IsContent(path) {
		return "", nil, misplaced(op, field)
	}
	if slices.Contains(secretFields, field) && l.untrusted(kubeconfig) {
		return "", nil, fail(op, "it names a file as its %s, which a kubeconfig of the workspace, or one that is given as content, may not: "+
			"other secrets of the job are files as well", field).Hint(flatten)
	}
	if !filepath.IsAbs(path) {
		if kubeconfig == "" {
			return "", nil, fail(op, "its %s is a relative path, and a kubeconfig that is given as content has no directory", field).Hint(flatten)
		}
		path = filepath.Join(filepath.Dir(kubeconfig), path)
	}
	path = l.Inside(path)
	data, err = l.confined(path, kubeconfig)
	if errors.Is(err, errOutside) {
		return "", nil, fail(op, "read its %s: %w", field, err).Hint(flatten)
	}
	if err != nil {
		return "", nil, l.missing(fail(op, "read its %s: %w", field, err).Hint(flatten))
	}
	l.files = append(l.files, path)
	return path, data, nil
}

// misplaced refuses content in a field for a path.
func misplaced(op, field string) error {
	err := fail(op, "its %s is the content itself, and not a path", field)
	if field == "tokenFile" {
		return err.Hint("call the field `token`")
	}
	if strings.HasPrefix(field, "--") { // a flag of a program, for which there is no other form
		return err.Hint("write the content to a file in an earlier step, and name that")
	}
	return err.Hint("call the field `%s-data`, whose value is base64; or write the content to a file, and "+
		"name that",
		strings.TrimLeft(field, "-"))
}

var errOutside = errors.New("it lies outside the directories that a kubeconfig may name files in: " +
	"its own, the workspace, the job's temporary one, and the home directory if the kubeconfig is there")

// confined reads a file below one of the directories that this kubeconfig may name files in. Symbolic links are followed
// first, and then the file is opened below the directory and nowhere else, whatever has become of it meanwhile.
func (l *loader) confined(path, kubeconfig string) ([]byte, error) {
	if share := filepath.VolumeName(path); strings.HasPrefix(share, `\\`) && share != filepath.VolumeName(kubeconfig) {
		return nil, errOutside // to look at another machine's share is to log in there (Windows)
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		// Says why in its own words. Links of /proc lead to what has no path: those can be followed, and are not.
		return disk.ReadRegular(path, os.Stat, func(string) (*os.File, error) { return nil, err })
	}
	dirs := append(slices.Clone(l.Workspace), l.Temp, l.InClusterDir)
	if kubeconfig != "" {
		dirs = append(dirs, filepath.Dir(kubeconfig))
		if in(l.home(), kubeconfig) {
			dirs = append(dirs, l.home())
		}
	}
	for _, dir := range dirs {
		if rest, ok := below(target, dir); ok {
			return readBelow(resolved(dir), rest)
		}
	}
	return nil, errOutside
}

func readBelow(dir, rest string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, errors.New("its directory cannot be opened")
	}
	defer root.Close() //nolint:errcheck // opened for reading
	return disk.ReadRegular(rest, root.Stat, root.Open)
}

// untrusted says whether somebody else than the workflow's author may have written the kubeconfig: a pull request the
// workspace, and content comes from nobody knows where.
func (l *loader) untrusted(kubeconfig string) bool {
	return kubeconfig == "" || l.written(kubeconfig)
}

// written says whether a pull request can have written this file: it lies in the workspace. Content is the
// workflow author's.
func (l *loader) written(file string) bool {
	return file != "" && workspace.Dirs(l.Workspace).Hold(file)
}

// in counts a link that lies in the directory as well as one that leads there.
func in(dir, path string) bool {
	_, named := below(path, dir)
	_, leads := below(resolved(path), dir)
	return named || leads
}

// below says whether a path is in a directory, as they are named or as their symbolic links lead, and gives the rest of it.
// Everything is in the root directory, and so nothing counts as being there.
func below(path, dir string) (rest string, ok bool) {
	for _, dir := range []string{filepath.Clean(dir), resolved(dir)} {
		if !filepath.IsAbs(dir) || filepath.Dir(dir) == dir {
			continue
		}
		if rest, err := filepath.Rel(dir, path); err == nil && filepath.IsLocal(rest) {
			return rest, true
		}
	}
	return "", false
}

// resolved is where a path leads, or the path itself where there is nothing.
func resolved(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	return path
}
