package platform

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/sethvargo/go-githubactions"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// idTokenRequest requests the job's own OIDC token from GitHub's runner, as @actions/core does.
type idTokenRequest struct{ action *githubactions.Action }

const requestIDToken = "request the job's OIDC token"

func (r idTokenRequest) send(ctx context.Context, audience string) (token secret.Value, err error) {
	// As often as GitHub's own toolkit: the runner's endpoint is a web service that fails
	// occasionally.
	backoff := wait.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Steps: 4}
	waited := wait.ExponentialBackoffWithContext(ctx, backoff, func(ctx context.Context) (bool, error) {
		var again bool
		token, again, err = r.try(ctx, audience)
		return !again, nil
	})
	if err == nil && token.IsEmpty() { // cancelled before the first try
		err = problem.Newf(problem.Source, requestIDToken, "the runner's endpoint does not "+
			"answer: %w", waited)
	}
	return token, err
}

// try requests the token once. again reports whether the failure may pass.
func (r idTokenRequest) try(ctx context.Context, audience string) (
	token secret.Value, again bool, err error,
) {
	value, err := r.action.GetIDToken(ctx, audience)
	refused, answered := errors.AsType[*githubactions.RequestFailedError](err)
	switch {
	case err == nil && value != "":
		return secret.New(value), false, nil
	case err == nil:
		return secret.Value{}, false, problem.Newf(
			problem.Source, requestIDToken, "the runner's answer holds none",
		)
	case answered && isLasting(refused.StatusCode):
		status := http.StatusText(refused.StatusCode)
		return secret.Value{}, false, problem.Newf(problem.Source, requestIDToken,
			"the runner answers %d %s", refused.StatusCode, status)
	case wire.Final(err):
		return secret.Value{}, false, problem.New(problem.Source, requestIDToken, dropAddress(err),
			"see what answers at ACTIONS_ID_TOKEN_REQUEST_URL: the runner sets it, and no step "+
				"should")
	}
	return secret.Value{}, ctx.Err() == nil, problem.Newf(problem.Source, requestIDToken,
		"the runner's endpoint does not answer: %s", dropAddress(err))
}

// isLasting reports whether a refusal will be the same for the next request.
func isLasting(status int) bool {
	return status < http.StatusInternalServerError && status != http.StatusTooManyRequests
}

// newIDTokenClient returns a client that uses the environment's proxy, as @actions/core does.
func newIDTokenClient() *http.Client {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableKeepAlives: true,
	}
	return wire.Client(transport, wire.MostOfToken)
}

// dropAddress returns an error without the address that was asked, which is a credential of the
// job.
func dropAddress(err error) error {
	if refused, ok := errors.AsType[*githubactions.RequestFailedError](err); ok {
		return errors.New(http.StatusText(refused.StatusCode))
	}
	if asked, ok := errors.AsType[*url.Error](err); ok {
		return asked.Err
	}
	return errors.New("its answer is not what was expected")
}
