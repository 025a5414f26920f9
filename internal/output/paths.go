package output

import (
	"errors"
	"path/filepath"

	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/secret"
)

// InDirectory is where exec keeps the kubeconfig in its private directory.
func InDirectory(dir string) string { return filepath.Join(dir, "kubeconfig") }

// TokenFile is where exec keeps the token, next to the kubeconfig.
func TokenFile(path string) string { return filepath.Join(filepath.Dir(path), "token") }

// EnvFile is the file of outputs next to a kubeconfig.
func EnvFile(path string) string { return path + ".env" }

// TokenIn returns the token of a kubeconfig of ours. Where it names a file for the token, as exec's
// does, it reads only the file that we would have put next to it.
func TokenIn(path string, data []byte) (secret.Value, error) {
	written, err := kubeconfig.Read(data)
	if err != nil || written.TokenFile == "" {
		return written.Token, err
	}
	if written.TokenFile != TokenFile(path) {
		return secret.Value{}, errors.New("not a kubeconfig that kubemint wrote")
	}
	content, err := Read(written.TokenFile)
	return secret.New(string(content)), err
}
