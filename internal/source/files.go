package source

import (
	"slices"

	"github.com/kubemint/kubemint/internal/source/confine"
)

// embedFile returns the content that a field of a kubeconfig has: its -data twin, or else its file.
func (l *loader) embedFile(
	op, field, path string, data []byte, kubeconfig string,
) ([]byte, error) {
	if len(data) > 0 || path == "" {
		return data, nil
	}
	_, content, err := l.readNamed(op, field, path, kubeconfig)
	return content, err
}

// readNamed reads a file that a kubeconfig names, and remembers it.
func (l *loader) readNamed(op, field, path, kubeconfig string) (file string, data []byte, err error) {
	reader := confine.Reader{
		Dirs: append(slices.Clone(l.Workspace), l.Temp, l.InClusterDir), Home: l.homeDir(),
		Inside: l.Inside, IsPlanted: l.policy.IsPlanted, Hint: l.Hint,
	}
	file, data, err = reader.Read(op, field, path, kubeconfig)
	if err == nil {
		l.files = append(l.files, file)
	}
	return file, data, err
}
