package learn

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// Upstream is the API server, with a credential.
type Upstream struct {
	URL       *url.URL
	Transport http.RoundTripper // adds the credential; may use HTTP/2
	// the same by HTTP/1.1: exec, attach and port-forward take the connection over
	Upgrade   http.RoundTripper
	UserAgent string // of the requests that are learn's own
	// the credential acts as somebody else (the kubeconfig's fields `as`, `as-groups`): client-go
	// (transport.NewImpersonatingRoundTripper) leaves that out where a request names another identity
	Impersonates bool
}

// Proxy hands requests on, and notes them.
type Proxy struct {
	server   *http.Server
	listener net.Listener
	record   *Record
	upstream Upstream
	token    string
	ca       []byte
}

// readHeaders is how long a client may take to send the head of a request.
const readHeaders = 30 * time.Second

// Start listens on a port of loopback that the system chooses.
func Start(ctx context.Context, upstream Upstream, record *Record) (*Proxy, error) {
	certificate, ca, err := newCertificate(time.Now())
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen on loopback: %w", err)
	}
	p := &Proxy{listener: listener, record: record, upstream: upstream, token: rand.Text(), ca: ca}
	p.server = &http.Server{
		Handler:           p.guard(p.keepIdentity(identify(p.forwarder()))),
		ReadHeaderTimeout: readHeaders,
		ErrorLog:          log.New(io.Discard, "", 0), // it would quote what clients send
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12,
		},
	}
	go func() { _ = p.server.ServeTLS(listener, "", "") }()
	return p, nil
}

// Server is the URL of the proxy.
func (p *Proxy) Server() string { return "https://" + p.listener.Addr().String() }

// CA is the certificate that the proxy's clients trust, in PEM.
func (p *Proxy) CA() []byte { return p.ca }

// Token is the bearer token of the proxy's clients. It works nowhere else.
func (p *Proxy) Token() string { return p.token }

// Close ends the listener and its connections, but for those that an exec or a port-forward took
// over: they end with either side.
func (p *Proxy) Close() error { return p.server.Close() } //nolint:wrapcheck // nothing to add

// guard refuses whoever does not have the proxy's own token: other processes of the machine can
// connect too.
func (p *Proxy) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(given), []byte(p.token)) != 1 {
			http.Error(
				w, "kubemint learn: this is not the token of the command that it runs", http.StatusUnauthorized,
			)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// keepIdentity refuses a request to act as somebody else where the credential acts as another
// already: it would be sent as whoever the credential is itself.
func (p *Proxy) keepIdentity(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for header := range r.Header {
			if p.upstream.Impersonates && strings.HasPrefix(header, "Impersonate-") {
				p.record.AddDeclined()
				http.Error(w, "kubemint learn: the runner's kubeconfig names an identity to act as, "+
					"so its commands cannot name another", http.StatusForbidden)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// identify parses a request before it is rewritten, since an API server can lie below a path of its
// own.
func identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), requestKey{}, parseRequest(r))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// requestKey is where a request's context has its [Request].
type requestKey struct{}

// forwarder hands requests on. Nothing is buffered: watches and logs arrive as they are sent.
func (p *Proxy) forwarder() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		Transport:      transportOf(p.upstream),
		FlushInterval:  -1,
		ErrorLog:       log.New(io.Discard, "", 0),
		ModifyResponse: p.note,
		ErrorHandler:   p.fail,
	}
}

// rewrite addresses a request to the API server, without the proxy's own token.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	r.SetURL(p.upstream.URL)
	r.Out.Host = ""
	r.Out.Header.Del("Authorization")
}

// note keeps what a request took, once its answer has begun.
func (p *Proxy) note(response *http.Response) error {
	if seen, ok := response.Request.Context().Value(requestKey{}).(Request); ok {
		seen.Status = response.StatusCode
		if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
			p.record.Begin(at)
		}
		p.record.Add(seen)
	}
	return nil
}

// fail answers in the place of an API server that did not.
func (p *Proxy) fail(w http.ResponseWriter, _ *http.Request, err error) {
	if !errors.Is(err, context.Canceled) { // the command has gone away itself
		p.record.AddUnanswered(err)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(readHeaders))
	http.Error(w, "kubemint learn: the API server did not answer", http.StatusBadGateway)
}

// transportOf chooses the transport of each request.
func transportOf(upstream Upstream) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Upgrade") != "" {
			return upstream.Upgrade.RoundTrip(r)
		}
		return upstream.Transport.RoundTrip(r)
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
