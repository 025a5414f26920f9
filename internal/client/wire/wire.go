package wire

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
)

// The bounds apply to all answers that one client is reading, together and unpacked: otherwise many
// at once would add up.
const (
	MostOfAPI   = 64 << 20 // bytes; the lists of thousands of namespaces take a tenth of it
	MostOfToken = 1 << 20  // bytes; of an endpoint that gives out tokens
)

// Client returns an HTTP client that follows no redirect and reads at most so many bytes. next may
// add credentials: redirects are refused above it, whatever a library does with the client.
func Client(next http.RoundTripper, most int64) *http.Client {
	return &http.Client{Transport: Guard(next, most)}
}

// Guard returns the transport of [Client], for a client that a library makes.
func Guard(next http.RoundTripper, most int64) http.RoundTripper {
	if already, ok := next.(*guard); ok && already.most <= most {
		return already
	}
	return &guard{next: next, most: most}
}

// Direct returns the same client without a proxy, with a new connection for each request.
func Direct(client *http.Client) *http.Client {
	outer, ok := client.Transport.(*guard)
	if !ok {
		return Client(withoutProxy(client.Transport), MostOfToken)
	}
	return Client(withoutProxy(outer.next), outer.most)
}

func withoutProxy(next http.RoundTripper) http.RoundTripper {
	transport, ok := next.(*http.Transport)
	if !ok {
		return next
	}
	transport = transport.Clone()
	transport.Proxy = nil
	transport.DisableKeepAlives = true
	return transport
}

type guard struct {
	next http.RoundTripper
	most int64
	held atomic.Int64 // bytes of the answers under way
}

// WrappedRoundTripper returns the transport below, whose connections a caller may close.
func (g *guard) WrappedRoundTripper() http.RoundTripper { return g.next }

func (g *guard) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := g.next.RoundTrip(request)
	if err != nil {
		return response, err //nolint:wrapcheck // callers look for the transport's own errors
	}
	switch response.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		_ = response.Body.Close()
		return nil, readRedirect(request, response)
	}
	if response.Body != nil {
		response.Body = &bounded{ReadCloser: response.Body, guard: g}
	}
	return response, nil
}

func (g *guard) newTooLarge() error {
	return &TooLargeError{Bound: fmt.Sprintf("%d MiB when it is unpacked", g.most>>20)}
}

// bounded is a body that ends in an error once the answers of its client are too large together.
type bounded struct {
	io.ReadCloser
	guard *guard
	read  int64
	over  bool
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.over {
		return 0, b.guard.newTooLarge()
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if b.guard.held.Add(int64(n)) > b.guard.most {
		b.over = true
		return 0, b.guard.newTooLarge()
	}
	return n, err //nolint:wrapcheck // io.EOF is compared, not unwrapped
}

func (b *bounded) Close() error {
	b.guard.held.Add(-b.read)
	b.read = 0
	return b.ReadCloser.Close() //nolint:wrapcheck // nothing to add
}

// final marks an error that a retry would not change, for libraries that retry by themselves.
type final struct{}

// NonRetriable tells azcore not to retry (sdk/internal/errorinfo).
func (final) NonRetriable() {}

// RetryableError tells the AWS SDK not to retry (aws/retry).
func (final) RetryableError() bool { return false }

// Final reports whether an error is a refusal of this room, which a retry would not change.
func Final(err error) bool {
	var refused interface{ RetryableError() bool }
	return errors.As(err, &refused) && !refused.RetryableError()
}

// RedirectError is an answer that sends the request elsewhere.
type RedirectError struct {
	final
	Code int
	To   string // scheme and host, quoted; "" where the answer does not say
	Loop bool   // it leads to the same address
}

func (e *RedirectError) Error() string {
	answer := fmt.Sprintf("the answer is a redirect (%d %s)", e.Code, http.StatusText(e.Code))
	if e.Loop {
		return answer + " to the same address, a loop"
	}
	if e.To == "" {
		return answer + " that does not say where to"
	}
	return answer + " to " + e.To + ", which is not followed"
}

// readRedirect reads where an answer leads. It keeps path and query out of the error, since they
// can repeat a secret of the request.
func readRedirect(request *http.Request, response *http.Response) *RedirectError {
	const longest = 253 // of a host name
	refused := &RedirectError{Code: response.StatusCode}
	location := response.Header.Get("Location")
	at, err := request.URL.Parse(location)
	if err == nil && location != "" && at.Host != "" {
		refused.Loop = at.String() == request.URL.String()
		refused.To = strconv.QuoteToASCII(at.Scheme + "://" + at.Host[:min(len(at.Host), longest)])
	}
	return refused
}

// TooLargeError is an answer over the bound.
type TooLargeError struct {
	final
	Bound string // completes "larger than"
}

func (e *TooLargeError) Error() string {
	return "the answer is larger than " + e.Bound + ", and is not read any further"
}
