package connect

import (
	"net"

	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/trace"
	"github.com/kubemint/kubemint/internal/problem"
)

// Dialer makes clients whose requests are traced.
type Dialer struct {
	UserAgent string
	Trace     *trace.Trace
}

// Client makes a client; nothing is sent yet. Every client has a dialer of its own: client-go
// shares connections between equal configurations, and a connection with a client certificate would
// vouch for a token that is not even read.
func (d Dialer) Client(config *rest.Config) (*client.Client, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = d.UserAgent
	if config.Dial == nil {
		config.Dial = (&net.Dialer{}).DialContext
	}
	d.Trace.Follow(config)
	made, err := client.New(config)
	if err != nil {
		return nil, problem.New(problem.Source, "connect to "+config.Host, err)
	}
	return made, nil
}
