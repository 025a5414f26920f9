package source

import (
	"cmp"
	"context"
	"time"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/bearer"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
	"github.com/kubemint/kubemint/internal/source/idtoken"
)

// useServer uses an API server without a kubeconfig: the credential is an ID token, given or
// requested.
func (l *loader) useServer() (*api.Config, error) {
	switch {
	case !l.Bearer.IsEmpty():
		claims, _ := l.Bearer.Claims() // none where it is not a JSON Web Token
		l.warnExpired("`bearer_token`", claims.ExpiresAt)
		l.login = func(context.Context) (secret.Value, time.Time, error) { return l.Bearer, time.Time{}, nil }
	case l.Context != "":
		return nil, refuse("use context "+quoteName(l.Context),
			"there is no kubeconfig, and `server` has no contexts").
			Hint("leave `context` out, or give `kubeconfig`")
	case l.IDToken == nil:
		return nil, refuse("use server", "there is no credential for %s: no kubeconfig, no "+
			"`bearer_token`, and "+
			"the job has no OIDC token to ask for", l.Server).Hint("%s", l.NoIDToken)
	default:
		l.secrets = plugin.JobTokenVariables
		l.login = l.requestIDToken
	}
	l.idToken = &idtoken.Latest{}
	l.login = l.idToken.Follow(l.login)
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

// requestIDToken requests the job's own OIDC token for the server.
func (l *loader) requestIDToken(ctx context.Context) (secret.Value, time.Time, error) {
	token, err := l.IDToken(ctx, cmp.Or(l.Audience, l.Server))
	if err != nil {
		return secret.Value{}, time.Time{}, err
	}
	claims, err := token.Claims()
	if err != nil {
		return secret.Value{}, time.Time{}, refuse("request the job's OIDC token",
			"the CI system's answer is not a JSON Web Token").
			Hint("see whether a proxy answers in its place; NO_PROXY takes a host out")
	}
	return token, claims.ExpiresAt, nil
}

// Authenticate requests the credential where it has to be requested: a cloud's, or the job's own
// OIDC token. Each token is passed to mask before it is used. REST requests the next token before
// one expires. Errors have the code [problem.Source].
func (s *Source) Authenticate(ctx context.Context, mask func(secret.Value) error) error {
	if s.login == nil {
		return nil
	}
	wrap, err := bearer.Start(ctx, s.login, mask)
	if err != nil {
		return err //nolint:wrapcheck // it says what failed
	}
	s.REST.Wrap(wrap)
	return nil
}

// DescribeLogin adds to a refusal what the source's ID token says. It returns false where the
// credential is not an ID token.
func (s *Source) DescribeLogin(refusal *problem.Error) bool { return s.idToken.Describe(refusal) }

// Nameless reports whether the credential has neither a token nor a client certificate. It usually
// is a user name and a password, which no API server accepts, but a proxy in front of one may.
func (s *Source) Nameless() bool {
	hasToken := s.REST.BearerToken != "" || s.REST.BearerTokenFile != ""
	return s.login == nil && !hasToken && len(s.REST.CertData) == 0
}
