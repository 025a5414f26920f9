package source

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/bearer"
	"github.com/kubemint/kubemint/internal/source/certs"
	"github.com/kubemint/kubemint/internal/source/confine"
	"github.com/kubemint/kubemint/internal/source/idtoken"
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
	idToken  *idtoken.Latest
	bundle   *certs.Bundle // of the chosen cluster; nil where it has no certificate authority
}

// place is where the credential lies.
type place struct {
	receipt.Source
	config *api.Config // nil where only a receipt records the source
	ours   []own       // those of its files that kubemint wrote
	lead   string      // how the search got to an in-cluster source, for the error outside a pod
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

// Input holds what the caller knows about the source. Only Getenv is required.
type Input struct {
	Given
	Direct
	Expected
	Host

	// Receipt returns the receipt of a kubeconfig that kubemint wrote, or os.ErrNotExist. One in the
	// workspace does not count. nil: there are no receipts.
	Receipt func(kubeconfig string) (*receipt.Receipt, error)
}

// Given is the kubeconfig that the caller names.
type Given struct {
	Kubeconfig string // path, content (YAML or JSON), or base64 of content; empty: not given
	// kubeconfig files that a receipt names: they take precedence over everything else
	Recorded      []string
	Context       string // empty: the current-context
	AllowInsecure bool   // accept insecure-skip-tls-verify
}

// Direct is an API server that accepts ID tokens. Where a kubeconfig is found, it is not the
// source's.
type Direct struct {
	Server    string                 // URL; empty: none
	Authority func() ([]byte, error) // its CA, PEM as it was given; nil, or nothing: the system's
	Bearer    secret.Value           // the ID token for it
	Audience  string                 // to request one with; empty: the server's URL
	IDToken   IDToken                // nil where the job has none to request
	NoIDToken string                 // what the job's author can do then
}

// Expected is the cluster of `expect_cluster`.
type Expected struct {
	ExpectServer      string // URL; empty: any
	ExpectFingerprint string // of its CA, as [certs.Bundle.Is] takes it; empty: any
}

// Host is the machine that this process runs on.
type Host struct {
	// Getenv reads the clouds' variables, KUBECONFIG, HOME, KUBERNETES_SERVICE_HOST and _PORT.
	Getenv func(string) string
	// Inside translates a path of the host to this container's. nil: they are the same.
	Inside func(string) string

	InClusterDir string       // where a pod's ServiceAccount is mounted; empty: Kubernetes' own place
	Workspace    []string     // directories of the checkout, which a pull request can have written
	Temp         string       // the job's directory for temporary files; empty: none
	HTTP         *http.Client // for the clouds' token endpoints
	Hint         string       // added where a file was not found: what the platform hides
}

// IDToken requests the job's own OIDC token.
type IDToken = func(ctx context.Context, audience string) (secret.Value, error)
