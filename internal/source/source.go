package source

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/certs"
	"github.com/kubemint/kubemint/internal/source/form"
)

// Input is what the caller knows of the source. Getenv is required, everything else may be left zero.
type Input struct {
	Kubeconfig    string   // path, content (YAML or JSON), or base64 of content; empty: not given
	Recorded      []string // kubeconfig files that a receipt names: they count before everything else
	Context       string   // empty: the current-context
	AllowInsecure bool     // accept insecure-skip-tls-verify

	Server    string                 // URL of an API server that takes ID tokens; where a kubeconfig is found it is not the source's
	Authority func() ([]byte, error) // its CA as it was given, PEM; nothing: the system's; nil: likewise
	Bearer    secret.Value           // the ID token for it
	Audience  string                 // to request one with; empty: the server's URL
	IDToken   IDToken                // nil where the job has none to request
	NoIDToken string                 // then: what its author can do

	ExpectServer      string // URL; empty: any
	ExpectFingerprint string // of its CA, as [certs.Bundle.Is] takes it; empty: any

	Getenv       func(string) string // the clouds' variables, KUBECONFIG, HOME, KUBERNETES_SERVICE_HOST and _PORT
	Inside       func(string) string // from a path of the host to the same file in this container; nil: identity
	InClusterDir string              // where a pod's ServiceAccount is mounted; empty: Kubernetes' own place
	Workspace    []string            // directories of the checkout, which a pull request can have written
	Temp         string              // the job's directory for temporary files; empty: there is none
	HTTP         *http.Client        // for the clouds' token endpoints

	// Receipt returns the receipt of a kubeconfig that kubemint wrote, os.ErrNotExist where there is none that the
	// workspace cannot have written. nil: there is none of any.
	Receipt func(kubeconfig string) (*receipt.Receipt, error)

	Hint string // printed where a file was not found: what this platform hides from the process
}

// IDToken requests the job's own OIDC token.
type IDToken = func(ctx context.Context, audience string) (secret.Value, error)

// Source is the credential, and what the written kubeconfig takes over from it.
type Source struct {
	REST *rest.Config // no exec, no auth-provider, no client-side throttling

	Server, TLSServerName, ProxyURL string // ProxyURL can hold a password: never print it
	CAData                          []byte // PEM, certificates alone; empty where the system's roots serve
	Insecure                        bool

	Namespace, Cluster, Context, User string // of the chosen context; empty where it says nothing

	ActsAs string // whom the user impersonates; empty where it acts as itself

	Origin   receipt.Source
	Files    []string // absolute paths of the files that the source was read from: the output may be none of them
	Warnings []string

	Secrets []string // variables of the environment that are the credential, or lead to it

	login   login // nil where REST has the credential
	planted bool  // a pull request can have written the context
}

// DefaultNamespace is the one of the context: access is granted there unless the input `namespace` says
// otherwise. A pull request does not choose where: its context could name kube-system. That `default` is
// named changes nothing.
func (s *Source) DefaultNamespace() (string, error) {
	if !s.planted || s.Namespace == "" || s.Namespace == metav1.NamespaceDefault {
		return s.Namespace, nil
	}
	return "", fail("use context "+named(s.Context),
		"it chooses the namespace %s, in a kubeconfig of the workspace, %s",
		named(s.Namespace), mayBePlanted).Hint("name the namespace that is meant in the input `namespace`")
}

// MountedAccount is where Kubernetes mounts a pod's ServiceAccount.
const MountedAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

const (
	byteOrderMark = "\ufeff"
)

// loader is one call of Load: its input, and what it has to tell besides the credential.
type loader struct {
	Input
	files    []string
	warnings []string
	secrets  []string
	login    login
	bundle   *certs.Bundle // of the chosen cluster; nil where it has no certificate authority
}

// place is where the credential is.
type place struct {
	receipt.Source
	config *api.Config // nil where only a receipt tells of the source
	ours   []own       // the files among them that kubemint wrote
	lead   string      // how an in-cluster source was arrived at, for the error when there is none
}

// chosen is the name of the context that counts.
func (p *place) chosen(given string) string { return cmp.Or(given, p.config.CurrentContext) }

// own returns the receipt whose token the context's user has, nil where kubemint did not write that user.
func (p *place) own(context *api.Context) *own {
	if context == nil {
		return nil
	}
	for i, ours := range p.ours {
		if ours.wrote(p.config.AuthInfos[context.AuthInfo]) {
			return &p.ours[i]
		}
	}
	return nil
}

// Load takes the first that is there of the input `kubeconfig`, the files of $KUBECONFIG, ~/.kube/config, the input `server`
// and the pod's own account. The order is kubectl's, but that `server` with a token or an audience of its own goes before
// what happens to be there. Nothing is sent: a credential that has to be asked for comes with [Source.Authenticate].
func Load(in Input) (*Source, error) {
	if in.Inside == nil {
		in.Inside = func(path string) string { return path }
	}
	in.InClusterDir = cmp.Or(in.InClusterDir, MountedAccount)
	l := &loader{Input: in}
	at, err := l.find()
	switch {
	case err != nil:
	case at.Kind == receipt.KindInCluster:
		at.config, err = l.inCluster(at.lead)
	case at.Kind == receipt.KindServer:
		at.config, err = l.direct()
	}
	if err != nil {
		return nil, err
	}
	if at.config == nil {
		return nil, fail("read kubeconfig", "kubemint wrote it, with a source given as content, which no receipt holds").
			Hint("give this step the input `kubeconfig` as well")
	}
	return l.choose(at)
}

func (l *loader) find() (*place, error) {
	if len(l.Recorded) > 0 {
		if slices.ContainsFunc(l.Recorded, func(path string) bool { return !filepath.IsAbs(path) }) {
			return nil, fail("read kubeconfig", "the source in the receipt is not an absolute path").
				Hint("give this step the input `kubeconfig`")
		}
		return l.mustRead("the source in the receipt", strings.Join(l.Recorded, ", "), l.Recorded...)
	}
	if given := strings.Trim(l.Kubeconfig, byteOrderMark+" \t\r\n"); given != "" {
		return l.given(given)
	}
	direct := &place{Source: receipt.Source{Kind: receipt.KindServer}}
	if !l.Bearer.Empty() || l.Audience != "" {
		return direct, nil
	}
	if value := l.Getenv("KUBECONFIG"); value != "" {
		if err := l.refuseContent(value); err != nil {
			return nil, err
		}
		return l.mustRead("$KUBECONFIG", value, filepath.SplitList(value)...)
	}
	looked := "no input `kubeconfig`, no $KUBECONFIG"
	if home := l.home(); home != "" {
		path := filepath.Join(home, ".kube", "config")
		at, err := l.read(path)
		if err != nil || at.config == nil || len(at.config.Contexts) > 0 { // kubectl, too, goes on when the file says nothing
			return at, err
		}
		looked += fmt.Sprintf(", nothing in %q", path)
	}
	if l.Server != "" {
		return direct, nil
	}
	return &place{Source: receipt.Source{Kind: receipt.KindInCluster}, lead: looked + ", and "}, nil
}

// given reads the input `kubeconfig`: content, or a path.
func (l *loader) given(value string) (*place, error) {
	if !form.IsContent(value) {
		path := value
		if rest, ok := strings.CutPrefix(value, "~/"); ok {
			path = filepath.Join(l.home(), rest)
		}
		return l.mustRead("the input `kubeconfig`", value, path)
	}
	config, err := decode([]byte(l.Kubeconfig), "")
	if err != nil {
		return nil, unreadable("read the content of `kubeconfig`", err)
	}
	return &place{Source: receipt.Source{Kind: receipt.KindContent}, config: config}, nil
}

// home is where client-go looks: $HOME everywhere, and on Windows also the profile.
func (l *loader) home() string { return cmp.Or(l.Getenv("HOME"), l.Getenv("USERPROFILE")) }

// fail is an error of exit code 3.
func fail(op, format string, args ...any) *problem.Error {
	return problem.Newf(problem.Source, op, format, args...)
}

func (l *loader) warn(format string, args ...any) {
	l.warnings = append(l.warnings, fmt.Sprintf(format, args...))
}

// missing adds what the platform hides from this process, which is why a file that the user sees is not there.
func (l *loader) missing(err *problem.Error) *problem.Error {
	if l.Hint != "" {
		return err.Hint("%s", l.Hint)
	}
	return err
}
