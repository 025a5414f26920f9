package source

import (
	"context"
	"net/http"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/secret"
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
