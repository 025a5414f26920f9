package source

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/oauth2"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/cloud"
)

// login asks for the source's token, and says when it expires: the zero time where that is not known.
type login func(ctx context.Context) (secret.Value, time.Time, error)

const (
	askAgain    = time.Minute      // before a token expires, the next is asked for
	askedWithin = 30 * time.Second // of a token that is asked for while a request waits for it
)

// direct is an API server without any kubeconfig: the credential is an ID token, given or requested.
func (l *loader) direct() (*api.Config, error) {
	const op = "use server"
	switch {
	case !l.Bearer.Empty():
		claims, _ := l.Bearer.Claims() // none where it is no such token
		l.warnExpired("`bearer_token`", claims.ExpiresAt)
		l.login = func(context.Context) (secret.Value, time.Time, error) { return l.Bearer, time.Time{}, nil }
	case l.Context != "":
		return nil, fail("use context "+named(l.Context), "there is no kubeconfig, and `server` has no contexts").
			Hint("leave `context` out, or give `kubeconfig`")
	case l.IDToken == nil:
		return nil, fail(op, "there is no credential for %s: no kubeconfig, no `bearer_token`, and the job has no OIDC token to ask for",
			l.Server).Hint("%s", l.NoIDToken)
	default:
		audience := cmp.Or(l.Audience, l.Server)
		l.secrets = cloud.JobToken
		l.login = func(ctx context.Context) (secret.Value, time.Time, error) {
			bearer, err := l.IDToken(ctx, audience)
			if err != nil {
				return secret.Value{}, time.Time{}, err
			}
			claims, err := bearer.Claims()
			if err != nil {
				return secret.Value{}, time.Time{}, fail("request the job's OIDC token",
					"the CI system's answer is not a JSON Web Token").
					Hint("see whether a proxy answers in its place; NO_PROXY takes a host out")
			}
			return bearer, claims.ExpiresAt, nil
		}
	}
	var bundle []byte
	if l.Authority != nil {
		var err error
		if bundle, err = l.Authority(); err != nil {
			return nil, err
		}
	}
	return &api.Config{
		Clusters:  map[string]*api.Cluster{"": {Server: l.Server, CertificateAuthorityData: bundle}},
		AuthInfos: map[string]*api.AuthInfo{"": {}},
		Contexts:  map[string]*api.Context{"": {}},
	}, nil
}

// Authenticate asks for the credential where it has to be asked for: a cloud's, or the job's own OIDC token. Each token is
// handed to mask before it is used. REST asks for the next one by itself before one expires. The error is of code
// [problem.Source].
func (s *Source) Authenticate(ctx context.Context, mask func(secret.Value) error) error {
	if s.login == nil {
		return nil
	}
	again := renewal{ctx: context.WithoutCancel(ctx), login: s.login, mask: mask}
	first, err := again.request(ctx)
	switch why := context.Cause(ctx); {
	case err == nil:
	case errors.Is(why, context.DeadlineExceeded):
		return fail("log in to the cluster", "no answer in time: %w", err).
			Hint("raise `timeout`, or see whether this runner reaches the login's endpoint")
	case why != nil: // a signal, whose exit code is its own
		return problem.New(problem.Source, "log in to the cluster", why)
	default:
		return err
	}
	tokens := oauth2.ReuseTokenSourceWithExpiry(first, again, askAgain)
	s.REST.Wrap(func(next http.RoundTripper) http.RoundTripper { return authenticated{next: next, tokens: tokens} })
	return nil
}

// authenticated adds the token to each request. Unlike client-go's own (transport.TokenSourceWrapTransport) it does not have a
// request wait that has ended: a token that is asked for takes up to askedWithin, and a job that is cancelled has less.
type authenticated struct {
	next   http.RoundTripper
	tokens oauth2.TokenSource
}

// WrappedRoundTripper leads to the connections, for those who close them.
func (a authenticated) WrappedRoundTripper() http.RoundTripper { return a.next }

func (a authenticated) RoundTrip(request *http.Request) (*http.Response, error) {
	type answer struct {
		token *oauth2.Token
		err   error
	}
	asked := make(chan answer, 1)
	go func() {
		token, err := a.tokens.Token()
		asked <- answer{token, err}
	}()
	var got answer
	select {
	case got = <-asked:
	case <-request.Context().Done():
		got.err = context.Cause(request.Context())
	}
	if got.err != nil {
		if request.Body != nil {
			_ = request.Body.Close() // as every RoundTripper has to
		}
		return nil, got.err
	}
	request = request.Clone(request.Context())
	got.token.SetAuthHeader(request)
	return a.next.RoundTrip(request) //nolint:wrapcheck // it says what it is
}

// renewal is an [oauth2.TokenSource].
type renewal struct {
	ctx   context.Context //nolint:containedctx // that interface has none
	login login
	mask  func(secret.Value) error
}

func (r renewal) Token() (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(r.ctx, askedWithin)
	defer cancel()
	return r.request(ctx)
}

// shortest is what may be masked: a shorter value would make a log unreadable, and no token is as short.
const shortest = 16

func (r renewal) request(ctx context.Context) (*oauth2.Token, error) {
	bearer, end, err := r.login(ctx)
	if err != nil {
		return nil, err
	}
	if !oneLine(bearer.Reveal()) {
		return nil, fail("log in to the cluster", "the token that was given out is not one line of ASCII").
			Hint("see what answers in the place of the login's endpoint: a proxy, say")
	}
	if len(bearer.Reveal()) >= shortest {
		if err := r.mask(bearer); err != nil {
			return nil, err
		}
	}
	return &oauth2.Token{AccessToken: bearer.Reveal(), Expiry: end}, nil
}
