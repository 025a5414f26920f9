package deliver

import (
	"encoding/base64"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/undo"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// Destination is where a credential goes: a [File] for later steps of the job, or the private
// [Directory] of one command.
type Destination interface {
	// Path is the path of the kubeconfig.
	Path() string
	// TokenFile is the path of a file that holds the token; "" where the kubeconfig alone does.
	TokenFile() string
	// UsedFor is how long the credential may be used; zero if that is unknown.
	UsedFor() time.Duration
	// Earlier returns the receipt of the credential that is replaced, or nil. live says that it may
	// still work.
	Earlier() (earlier *receipt.Receipt, live bool)
	// Remedy says what a user can do if the cluster does not let the run make a lease.
	Remedy(ephemeral bool) credential.Remedy
	// Patience is how long taking back may last while nobody interrupts it.
	Patience() time.Duration
	// Open finds out that the credential can be handed over, and begins the receipt.
	Open(record *receipt.Receipt) (*output.Journal, error)
	// Mask hides the base64 of the kubeconfig, where it is published.
	Mask(encoded secret.Value) error
	// Deliver writes the credential, and hands it over.
	Deliver(d Delivery, stack *undo.Stack) error
}

// Delivery holds what a destination gets.
type Delivery struct {
	Config   *config.Config
	Desired  access.Desired
	Log      *console.Log
	Issued   credential.Issued
	Rendered Rendered
	Plan     access.Plan // what was done
	Observed access.Observed
}

// Rendered is the kubeconfig.
type Rendered struct {
	Data    []byte
	Encoded secret.Value // its base64
	Written kubeconfig.Config
}

// Render returns the kubeconfig with the token, and its base64, which is masked from here on.
func Render(to Destination, written kubeconfig.Config, token secret.Value) (Rendered, error) {
	written.Token = token
	written.TokenFile = to.TokenFile()
	data, err := kubeconfig.Render(written)
	if err != nil {
		return Rendered{}, problem.New(problem.Mint, "render kubeconfig", err)
	}
	encoded := secret.New(base64.StdEncoding.EncodeToString(data))
	return Rendered{Data: data, Encoded: encoded, Written: written}, to.Mask(encoded)
}

// UndoWithin keeps a cancelled run inside what a CI runner waits before it kills (GitHub: 7.5 s).
const UndoWithin = 3 * time.Second
