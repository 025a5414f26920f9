package gke

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// newClient returns the runner's client with this login's context, which not all of the libraries
// keep. It retries passing failures. An answer other than a good one becomes an error, and refused
// is set to what may be shown of it: the libraries' own errors hold URLs and whole answers.
func (g login) newClient(ctx context.Context, refused *error) *http.Client {
	// As many tries as the other clouds' libraries make by default.
	backoff := wait.Backoff{Duration: 400 * time.Millisecond, Factor: 2, Steps: 3}
	return wire.Client(roundTrip(func(r *http.Request) (*http.Response, error) {
		var answer *http.Response
		err := wait.ExponentialBackoffWithContext(ctx, backoff, func(context.Context) (done bool, err error) {
			var again bool
			answer, again, *refused = g.sendRequest(ctx, r) //nolint:bodyclose // by the caller
			return !again, nil
		})
		if *refused == nil && err != nil { // the login was stopped before the first try
			*refused = explainSending(r, err)
		}
		return answer, *refused
	}), wire.MostOfToken)
}

// sendRequest sends a request once. again reports whether the failure may pass.
func (g login) sendRequest(
	ctx context.Context, r *http.Request,
) (answer *http.Response, again bool, err error) {
	r = r.Clone(ctx)
	if r.GetBody != nil {
		if r.Body, err = r.GetBody(); err != nil {
			return nil, false, err
		}
	}
	answer, err = g.HTTP.Do(r) //nolint:gosec // to Google, or where the runner's own credential file says
	if err != nil {
		again = ctx.Err() == nil && !wire.Final(err)
		return nil, again, explainSending(r, err)
	}
	if answer.StatusCode/100 == 2 {
		return answer, false, nil
	}
	defer answer.Body.Close() //nolint:errcheck // the rest does not matter
	var remedies []string
	if answer.StatusCode == http.StatusForbidden && strings.HasPrefix(r.URL.Host, "iamcredentials") {
		remedies = []string{"let this identity impersonate the service account: " +
			"roles/iam.workloadIdentityUser for a job's own identity, " +
			"roles/iam.serviceAccountTokenCreator for another account"}
	}
	again = answer.StatusCode == http.StatusTooManyRequests ||
		answer.StatusCode >= http.StatusInternalServerError
	err = fmt.Errorf("%s answers %s", r.URL.Host, describeAnswer(answer))
	return nil, again, plugin.ExplainFailure(getToken, err, remedies...)
}

func explainSending(r *http.Request, err error) error {
	return plugin.ExplainFailure(getToken, fmt.Errorf("ask %s: %w", r.URL.Host, plugin.DropURL(err)))
}

// tokenLike matches JSON Web Tokens, access tokens and refresh tokens. No answer should repeat one
// of the request; if an answer does, it is not shown.
const tokenLike = `(eyJ|ya29\.|1//)[A-Za-z0-9_.=-]+` //nolint:gosec // a pattern

// describeAnswer returns what an answer says about its failure: as OAuth does (RFC 6749, 5.2), or
// as Google's APIs do (google.rpc.Status).
func describeAnswer(answer *http.Response) string {
	var body struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
	}
	var status struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}
	text := answer.Status
	err := json.NewDecoder(io.LimitReader(answer.Body, mostOfAnswer)).Decode(&body)
	if err == nil && body.Error != nil {
		if json.Unmarshal(body.Error, &status.Status) == nil {
			status.Message = body.Description
		} else if json.Unmarshal(body.Error, &status) != nil {
			return text
		}
		text = fmt.Sprintf("%d %s: %s", answer.StatusCode, status.Status, status.Message)
	}
	return regexp.MustCompile(tokenLike).ReplaceAllString(text, "[token]")
}
