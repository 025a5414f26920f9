package source

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/bearer"
	"github.com/kubemint/kubemint/internal/source/certs"
	"github.com/kubemint/kubemint/internal/source/idtoken"
	"github.com/kubemint/kubemint/internal/source/trust"
)

// Input is what the caller knows about the source. Only Getenv is required.
type Input struct {
	Given
	Direct
	Expected
	Host

	// Receipt returns the receipt of a kubeconfig that kubemint wrote, os.ErrNotExist where there
	// is none outside the workspace. nil: there are no receipts.
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

// Source is the credential, and what the written kubeconfig takes over from it.
type Source struct {
	REST *rest.Config // without exec, auth-provider and client-side throttling
	Endpoint
	Entry

	Origin   receipt.Source
	Files    []string // absolute paths of the files that were read: none of them may be the output
	Warnings []string
	Secrets  []string // environment variables that hold the credential, or lead to it

	login bearer.Login // nil where REST has the credential
}

// Endpoint is how the API server is reached.
type Endpoint struct {
	Server        string
	TLSServerName string
	ProxyURL      string // can hold a password: never print it
	CAData        []byte // PEM, certificates alone; empty: the system's roots
	Insecure      bool
}

// Entry is the chosen context. Its names are empty where the source has none.
type Entry struct {
	Namespace, Cluster, Context, User string

	ActsAs  string // whom the user impersonates; empty: itself
	planted bool   // a pull request can have written the context

	idToken *idtoken.Latest // nil where the credential is not an ID token
}

// DefaultNamespace returns the context's namespace, in which access is granted unless the input
// `namespace` says otherwise. A pull request may not choose it: its context could name kube-system.
// It may name `default`, which changes nothing.
func (s *Source) DefaultNamespace() (string, error) {
	if !s.planted || s.Namespace == "" || s.Namespace == metav1.NamespaceDefault {
		return s.Namespace, nil
	}
	return "", refuse("use context "+quoteName(s.Context),
		"it chooses the namespace %s, in a kubeconfig of the workspace, %s",
		quoteName(s.Namespace), trust.MayBePlanted).Hint("name the namespace that is meant in " +
		"the input `namespace`")
}

// MountedAccount is where Kubernetes mounts a pod's ServiceAccount.
const MountedAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

const byteOrderMark = "\ufeff"

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

// Load uses the first source that exists: the input `kubeconfig`, the files of $KUBECONFIG,
// ~/.kube/config, the input `server`, the pod's own account. The order is kubectl's, except that
// `server` with a token or an audience of its own takes precedence over files that happen to exist.
// Nothing is sent: [Source.Authenticate] requests a credential.
func Load(in Input) (*Source, error) {
	if in.Inside == nil {
		in.Inside = func(path string) string { return path }
	}
	in.InClusterDir = cmp.Or(in.InClusterDir, MountedAccount)
	l := newLoader(in)
	at, err := l.findPlace()
	switch {
	case err != nil:
	case at.Kind == receipt.KindInCluster:
		at.config, err = l.usePodAccount(at.lead)
	case at.Kind == receipt.KindServer:
		at.config, err = l.useServer()
	}
	if err != nil {
		return nil, err
	}
	if at.config == nil {
		return nil, refuse("read kubeconfig",
			"kubemint wrote it, with a source given as content, which no receipt holds").
			Hint("give this step the input `kubeconfig` as well")
	}
	return l.useContext(at)
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
