package app

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

// provers is over how many connections fresh access is proved. Each API server learns of it by a watch of its own, and a
// balancer leads each connection to the next one: most control planes have two or three.
const provers = 3

// prover asks the API server as the new credential, over connections of its own that are opened before there is a token.
type prover struct {
	clients []*client.Client
	token   atomic.Pointer[secret.Value]
	narrow  bool // the first connection is enough
	warmed  bool // the others are being opened
}

func (r *run) newProver(written kubeconfig.Config) (p *prover, err error) {
	p = &prover{clients: make([]*client.Client, provers)}
	config := &rest.Config{
		Host:            written.Server,
		TLSClientConfig: rest.TLSClientConfig{CAData: written.CAData, ServerName: written.TLSServerName, Insecure: written.Insecure},
	}
	if written.ProxyURL != "" {
		proxy, err := url.Parse(written.ProxyURL)
		if err != nil {
			return nil, problem.New(problem.Source, "read proxy-url", errors.New("not a URL"))
		}
		config.Proxy = http.ProxyURL(proxy)
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return bearer{next, &p.token} })
	for i := range p.clients {
		p.clients[i], err = r.connect(config) // all fail, or none
	}
	return p, err
}

// bearer adds the token to requests once there is one.
type bearer struct {
	next  http.RoundTripper
	token *atomic.Pointer[secret.Value]
}

// WrappedRoundTripper is as the tracer's.
func (b bearer) WrappedRoundTripper() http.RoundTripper { return b.next }

func (b bearer) RoundTrip(request *http.Request) (*http.Response, error) {
	if t := b.token.Load(); t != nil {
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", "Bearer "+t.Reveal())
	}
	return b.next.RoundTrip(request)
}

// widen opens the further connections beside what the run goes on with. Where the access is not fresh it needs none.
func (p *prover) widen(ctx context.Context, fresh bool) {
	p.narrow = !fresh
	if p.narrow || p.warmed {
		return
	}
	p.warmed = true
	for _, client := range p.clients[1:] {
		go client.Warm(ctx)
	}
}

// asked are the connections over which access is proved.
func (p *prover) asked() []*client.Client {
	if p.narrow {
		return p.clients[:1]
	}
	return p.clients
}

func (p *prover) close() {
	for _, client := range p.clients {
		client.Close()
	}
}

// everywhere asks over each connection at the same time, and returns one error of those that came.
func everywhere(clients []*client.Client, ask func(*client.Client) error) (err error) {
	errs := make(chan error, len(clients))
	for _, client := range clients {
		go func() { errs <- ask(client) }()
	}
	for range clients {
		err = cmp.Or(err, <-errs)
	}
	return err
}
