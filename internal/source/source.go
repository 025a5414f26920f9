package source

import (
	"cmp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/disk"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/source/bearer"
	"github.com/kubemint/kubemint/internal/source/idtoken"
	"github.com/kubemint/kubemint/internal/source/trust"
)

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

// Describe returns the source, its context, its server and whom it acts as, on one line.
func (s *Source) Describe() string {
	parts := []string{s.describePlace()}
	if s.Context != "" {
		parts = append(parts, "context "+quoteName(s.Context))
	}
	parts = append(parts, "server "+s.Server)
	if s.ActsAs != "" {
		parts = append(parts, "acts as "+s.ActsAs)
	}
	return strings.Join(parts, ", ")
}

func (s *Source) describePlace() string {
	switch s.Origin.Kind {
	case receipt.KindFile:
		var paths []string
		for _, path := range s.Origin.Paths {
			paths = append(paths, disk.ShowPath(path))
		}
		return "kubeconfig " + strings.Join(paths, ", ")
	case receipt.KindContent:
		return "a kubeconfig given as content"
	case receipt.KindInCluster:
		return "the pod's ServiceAccount"
	}
	return "an ID token"
}
