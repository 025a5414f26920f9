package connect

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"

	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// verifierConnections is how many connections verify access that was just written. Each API server
// learns of it by a watch of its own, and a load balancer leads each connection to the next one:
// most control planes have two or three.
const verifierConnections = 3

// Verifier asks the API server as the new credential, over connections of its own that are opened
// before there is a token. Widen and Clients are for one goroutine.
type Verifier struct {
	dialer  Dialer
	written kubeconfig.Config
	config  *rest.Config
	token   *atomic.Pointer[secret.Value]
	clients []*client.Client // the first one, and the others once they are needed
}

// Verifier makes the first connection's client; nothing is sent yet.
func (d Dialer) Verifier(written kubeconfig.Config) (*Verifier, error) {
	v := &Verifier{dialer: d, written: written, token: &atomic.Pointer[secret.Value]{}}
	var err error
	if v.config, err = ConfigFor(written); err != nil {
		return nil, err
	}
	v.config.Wrap(func(next http.RoundTripper) http.RoundTripper { return bearer{next, v.token} })
	first, err := d.Client(v.config)
	v.clients = []*client.Client{first}
	return v, err
}

// ConfigFor reaches the server of a written kubeconfig, without a credential.
func ConfigFor(written kubeconfig.Config) (*rest.Config, error) {
	config := &rest.Config{
		Host: written.Server,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: written.CAData, ServerName: written.TLSServerName, Insecure: written.Insecure,
		},
	}
	if written.ProxyURL != "" {
		proxy, err := url.Parse(written.ProxyURL)
		if err != nil {
			return nil, problem.New(problem.Source, "read proxy-url", errors.New("not a URL"))
		}
		config.Proxy = http.ProxyURL(proxy)
	}
	return config, nil
}

// Use has the requests from now on carry the token.
func (v *Verifier) Use(token secret.Value) { v.token.Store(&token) }

// Another asks with another token, over a connection of its own.
func (v *Verifier) Another(token secret.Value) (*Verifier, error) {
	another, err := v.dialer.Verifier(v.written)
	if err == nil {
		another.Use(token)
	}
	return another, err
}

// First is the first connection, which is enough for access that has long been in effect.
func (v *Verifier) First() *client.Client { return v.clients[0] }

// Widen opens the further connections while the run goes on with something else.
func (v *Verifier) Widen(ctx context.Context) {
	have := len(v.clients)
	v.AddClients()
	for _, next := range v.clients[have:] {
		go next.Warm(ctx)
	}
}

// AddClients makes the further clients; their first requests open the connections.
func (v *Verifier) AddClients() {
	for len(v.clients) < verifierConnections {
		next, err := v.dialer.Client(v.config)
		if err != nil {
			return // as the first one, or not at all
		}
		v.clients = append(v.clients, next)
	}
}

// Clients returns the connections that prove access: all of them if the access is fresh.
func (v *Verifier) Clients(fresh bool) []*client.Client {
	if fresh {
		return v.clients
	}
	return v.clients[:1]
}

// Close ends the connections.
func (v *Verifier) Close() {
	for _, each := range v.clients {
		each.Close()
	}
}

// bearer adds the token to requests as soon as it has one.
type bearer struct {
	next  http.RoundTripper
	token *atomic.Pointer[secret.Value]
}

// WrappedRoundTripper does the same as the tracer's.
func (b bearer) WrappedRoundTripper() http.RoundTripper { return b.next }

func (b bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	if token := b.token.Load(); token != nil {
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	return b.next.RoundTrip(request)
}

// AskEach asks over each connection at the same time, and returns one of the errors.
func AskEach(clients []*client.Client, ask func(*client.Client) error) (err error) {
	errs := make(chan error, len(clients))
	for _, each := range clients {
		go func() { errs <- ask(each) }()
	}
	for range clients {
		err = cmp.Or(err, <-errs)
	}
	return err
}
