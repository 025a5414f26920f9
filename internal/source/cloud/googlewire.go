package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/client/wire"
)

const (
	mostOfAnswer = 1 << 20 // bytes
	googleTries  = 3       // of a request, as often as the other clouds' libraries do by default
	googlePause  = 200 * time.Millisecond
	metadataWait = 5 * time.Second
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// client is the runner's with the context of this login, which not all of the libraries keep. It asks again after a passing
// failure. Every answer but a good one is an error, and leaves in refused what may be shown of it: the
// libraries' own errors hold URLs and whole answers.
func (g gcp) client(ctx context.Context, refused *error) *http.Client {
	try := func(r *http.Request) (answer *http.Response, again bool, err error) {
		r = r.Clone(ctx)
		if r.GetBody != nil {
			if r.Body, err = r.GetBody(); err != nil {
				return nil, false, err
			}
		}
		answer, err = g.HTTP.Do(r) //nolint:gosec // to Google, or where the runner's own credential file says
		if err != nil {
			*refused = failed(getGoogleToken, fmt.Errorf("ask %s: %w", r.URL.Host, cause(err)))
			return nil, ctx.Err() == nil && !wire.Final(err), *refused
		}
		if answer.StatusCode/100 == 2 {
			*refused = nil
			return answer, false, nil
		}
		defer answer.Body.Close() //nolint:errcheck // read as far as is of interest
		var remedy []string
		if answer.StatusCode == http.StatusForbidden && strings.HasPrefix(r.URL.Host, "iamcredentials") {
			remedy = []string{"let this identity impersonate the service account: roles/iam.workloadIdentityUser for a job's own identity, " +
				"roles/iam.serviceAccountTokenCreator for another account"}
		}
		*refused = failed(getGoogleToken, fmt.Errorf("%s answers %s", r.URL.Host, said(answer)), remedy...)
		return nil, answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= http.StatusInternalServerError, *refused
	}
	return wire.Client(roundTrip(func(r *http.Request) (*http.Response, error) {
		for n := 1; ; n++ {
			answer, again, err := try(r)
			if !again || n == googleTries {
				return answer, err
			}
			select {
			case <-ctx.Done():
			case <-time.After(googlePause << n):
			}
		}
	}), wire.MostOfToken)
}

// cause is what went wrong without the URL, whose query may hold a secret.
func cause(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}

// tokenLike is what no answer should repeat of a request, and what is not shown if one does: JSON Web Tokens, access tokens,
// refresh tokens.
const tokenLike = `(eyJ|ya29\.|1//)[A-Za-z0-9_.=-]+` //nolint:gosec // a pattern

// said is what an answer says of its own failure: as OAuth (RFC 6749, 5.2) or as Google's APIs (google.rpc.Status).
func said(answer *http.Response) string {
	var body struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
	}
	var status struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}
	text := answer.Status
	if json.NewDecoder(io.LimitReader(answer.Body, mostOfAnswer)).Decode(&body) == nil && body.Error != nil {
		if json.Unmarshal(body.Error, &status.Status) == nil {
			status.Message = body.Description
		} else if json.Unmarshal(body.Error, &status) != nil {
			return text
		}
		text = fmt.Sprintf("%d %s: %s", answer.StatusCode, status.Status, status.Message)
	}
	return regexp.MustCompile(tokenLike).ReplaceAllString(text, "[token]")
}
