package mint

import (
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/connect"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/secret"
)

// Job holds everything a run is given. Nothing in it changes.
type Job struct {
	Config  *config.Config
	Desired access.Desired
	Connections
	Written kubeconfig.Config        // what the kubeconfig will say, but for the token
	Mask    func(secret.Value) error // hides a secret from all that is logged after it
	Clock   credential.Clock         // the API server's
	Until   time.Time                // when the time of the run is over
	Log     *console.Log
}

// Connections are the two ways in which a run reaches the API server.
type Connections struct {
	Server   *client.Client    // as the runner
	Verifier *connect.Verifier // as the new credential
}
