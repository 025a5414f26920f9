package wire

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
)

// The bounds are on what all answers under way at one client hold together, unpacked: many of them at once
// would otherwise add up.
const (
	MostOfAPI   = 64 << 20 // bytes; the lists of thousands of namespaces take a tenth of it
	MostOfToken = 1 << 20  // bytes; of an endpoint that gives out tokens
)

// Client is an HTTP client that follows no redirect and reads at most so many bytes. Credentials may be
// added by next: the redirect is refused above it, whatever the library that gets the client does with it.
func Client(next http.RoundTripper, most int64) *http.Client {
	return &http.Client{Transport: Guard(next, most)}
}

// Guard is the transport of [Client], for a client that a library has made.
func Guard(next http.RoundTripper, most int64) http.RoundTripper {
	if already, ok := next.(*guard); ok && already.most <= most {
		return already
	}
	return &guard{next: next, most: most}
}

// Direct is the same client without a proxy, and with a new connection for each request.
func Direct(client *http.Client) *http.Client {
	outer, ok := client.Transport.(*guard)
	if !ok {
		return Client(direct(client.Transport), MostOfToken)
	}
	return Client(direct(outer.next), outer.most)
}

func direct(next http.RoundTripper) http.RoundTripper {
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

// WrappedRoundTripper leads to the connections, for those who close them.
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
		return nil, redirected(request, response)
	}
	if response.Body != nil {
		response.Body = &bounded{ReadCloser: response.Body, guard: g}
	}
	return response, nil
}

func (g *guard) tooLarge() error {
	return &TooLargeError{Bound: fmt.Sprintf("%d MiB when it is unpacked", g.most>>20)}
}

// bounded is a body that ends in an error where the answers under way are larger than they may be.
type bounded struct {
	io.ReadCloser
	guard *guard
	read  int64
	over  bool
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.over {
		return 0, b.guard.tooLarge()
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if b.guard.held.Add(int64(n)) > b.guard.most {
		b.over = true
		return 0, b.guard.tooLarge()
	}
	return n, err //nolint:wrapcheck // io.EOF is compared, not unwrapped
}

func (b *bounded) Close() error {
	b.guard.held.Add(-b.read)
	b.read = 0
	return b.ReadCloser.Close() //nolint:wrapcheck // nothing to add
}

// final marks an error that the same request would meet again, for the libraries that retry by themselves.
type final struct{}

// NonRetriable is what azcore looks for (sdk/internal/errorinfo).
func (final) NonRetriable() {}

// RetryableError is what the AWS SDK looks for (aws/retry).
func (final) RetryableError() bool { return false }

// Final says whether the same request would meet the same refusal of this room again.
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

// redirected reads where an answer leads. Path and query stay out of the error, since they can repeat what
// was sent.
func redirected(request *http.Request, response *http.Response) *RedirectError {
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

// TooLargeError is an answer that is larger than it may be.
type TooLargeError struct {
	final
	Bound string // completes "larger than"
}

func (e *TooLargeError) Error() string {
	return "the answer is larger than " + e.Bound + ", and is not read any further"
}
