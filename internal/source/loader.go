package source

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/bearer"
	"github.com/kubemint/kubemint/internal/source/certs"
	"github.com/kubemint/kubemint/internal/source/confine"
	"github.com/kubemint/kubemint/internal/source/trust"
)

// quoteName quotes a name for an error, since a line break in it could forge a workflow command.
func quoteName(name string) string { return strconv.Quote(name[:min(len(name), 128)]) }

// own is the receipt of a kubeconfig that kubemint wrote.
type own struct {
	*receipt.Receipt
	file string // the kubeconfig
	op   string // of an error about it
}

// loader is one call of Load: its input, and what it has found besides the credential.
type loader struct {
	Input
	policy   trust.Policy
	files    []string
	warnings []string
	secrets  []string
	login    bearer.Login
	bundle   *certs.Bundle // of the chosen cluster; nil where it has no certificate authority
}

// place is where the credential lies.
type place struct {
	receipt.Source
	config *api.Config // nil where only a receipt records the source
	ours   []own       // those of its files that kubemint wrote
	lead   string      // how the search got to an in-cluster source, for the error when there is none
}

// contextName returns the name of the context that counts.
func (p *place) contextName(given string) string { return cmp.Or(given, p.config.CurrentContext) }

// findOwn returns the receipt whose token the context's user has, nil where kubemint did not write
// that user.
func (p *place) findOwn(context *api.Context) *own {
	if context == nil {
		return nil
	}
	for i, ours := range p.ours {
		if ours.isOf(p.config.AuthInfos[context.AuthInfo]) {
			return &p.ours[i]
		}
	}
	return nil
}

func newLoader(in Input) *loader {
	return &loader{Input: in, policy: trust.Policy{
		Server: in.ExpectServer, Fingerprint: in.ExpectFingerprint, Workspace: in.Workspace,
	}}
}

// homeDir returns where client-go looks: $HOME everywhere, and on Windows also the profile.
func (l *loader) homeDir() string { return cmp.Or(l.Getenv("HOME"), l.Getenv("USERPROFILE")) }

// refuse returns an error of exit code 3.
func refuse(op, format string, args ...any) *problem.Error {
	return problem.Newf(problem.Source, op, format, args...)
}

func (l *loader) addWarning(format string, args ...any) {
	l.warnings = append(l.warnings, fmt.Sprintf(format, args...))
}

// hintHidden adds what the platform hides from this process: a file that the user sees may not
// exist here.
func (l *loader) hintHidden(err *problem.Error) *problem.Error {
	if l.Hint != "" {
		return err.Hint("%s", l.Hint)
	}
	return err
}

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
