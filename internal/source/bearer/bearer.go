package bearer

import (
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// Login requests a token and returns when it expires, the zero time where that is unknown.
type Login func(ctx context.Context) (secret.Value, time.Time, error)

const (
	op = "log in to the cluster"

	renewBefore = time.Minute      // how long before a token expires the next one is requested
	renewWithin = 30 * time.Second // bounds the request for a token that an API request waits for

	// shortestMasked is the shortest token that is masked. Masking a shorter value would make a log
	// unreadable, and no token is that short.
	shortestMasked = 16
)

// Start requests the first token, and returns the wrapper that adds the current one to each
// request. Errors have the code [problem.Source].
func Start(
	ctx context.Context, login Login, mask func(secret.Value) error,
) (wrap func(http.RoundTripper) http.RoundTripper, err error) {
	renew := renewal{ctx: context.WithoutCancel(ctx), login: login, mask: mask}
	first, err := renew.request(ctx)
	switch why := context.Cause(ctx); {
	case err == nil:
	case errors.Is(why, context.DeadlineExceeded):
		return nil, problem.Newf(problem.Source, op, "no answer in time: %w", err).
			Hint("raise `timeout`, or see whether this runner reaches the login's endpoint")
	case why != nil: // a signal, which has an exit code of its own
		return nil, problem.New(problem.Source, op, why)
	default:
		return nil, err
	}
	tokens := oauth2.ReuseTokenSourceWithExpiry(first, renew, renewBefore)
	return func(next http.RoundTripper) http.RoundTripper {
		return authenticated{next: next, tokens: tokens}
	}, nil
}

// authenticated adds the token to each request. Unlike client-go's own wrapper
// (transport.TokenSourceWrapTransport), it does not keep a cancelled request waiting for a token:
// that can take renewWithin, and a job that is cancelled has less time.
type authenticated struct {
	next   http.RoundTripper
	tokens oauth2.TokenSource
}

// WrappedRoundTripper returns the transport below, whose connections a caller may close.
func (a authenticated) WrappedRoundTripper() http.RoundTripper { return a.next }

func (a authenticated) RoundTrip(request *http.Request) (*http.Response, error) {
	token, err := a.waitForToken(request.Context())
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close() // every RoundTripper has to close it
		}
		return nil, err
	}
	request = request.Clone(request.Context())
	token.SetAuthHeader(request)
	return a.next.RoundTrip(request) //nolint:wrapcheck // callers look for the transport's own errors
}

// waitForToken returns the current token, or the cause of ctx once it is done.
func (a authenticated) waitForToken(ctx context.Context) (*oauth2.Token, error) {
	type answer struct {
		token *oauth2.Token
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		token, err := a.tokens.Token()
		answers <- answer{token, err}
	}()
	select {
	case got := <-answers:
		return got.token, got.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// renewal is an [oauth2.TokenSource].
type renewal struct {
	ctx   context.Context //nolint:containedctx // that interface has none
	login Login
	mask  func(secret.Value) error
}

// Token requests another token.
func (r renewal) Token() (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(r.ctx, renewWithin)
	defer cancel()
	return r.request(ctx)
}

func (r renewal) request(ctx context.Context) (*oauth2.Token, error) {
	token, expiry, err := r.login(ctx)
	if err != nil {
		return nil, err
	}
	if !FitsHeader(token.Reveal()) {
		return nil, problem.Newf(problem.Source, op, "the token that was given out is not one "+
			"line of ASCII").
			Hint("see what answers in the place of the login's endpoint: a proxy, say")
	}
	if len(token.Reveal()) >= shortestMasked {
		if err := r.mask(token); err != nil {
			return nil, err
		}
	}
	return &oauth2.Token{AccessToken: token.Reveal(), Expiry: expiry}, nil
}
