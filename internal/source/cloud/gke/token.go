package gke

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

const getToken = "get a token of Google" //nolint:gosec // the name of an operation

// mostOfAnswer bounds an answer of Google's, in bytes.
const mostOfAnswer = 1 << 20

// requestToken is [plugin.Login.Token]. The expiry is zero where it is unknown, as for
// CLOUDSDK_AUTH_ACCESS_TOKEN: such a token usually lives for an hour and cannot be renewed here.
func (g login) requestToken(ctx context.Context) (secret.Value, time.Time, error) {
	var refused error
	ctx = context.WithValue(ctx, oauth2.HTTPClient, g.newClient(ctx, &refused))
	token, err := g.fetchToken(ctx)
	if err == nil && !accessToken.Matches(token.AccessToken) {
		err = errors.New("the token is not one line of ASCII")
	}
	if err != nil {
		return secret.Value{}, time.Time{}, plugin.ExplainFailure(getToken, cmp.Or(refused, err))
	}
	return secret.New(token.AccessToken), token.Expiry, nil
}

// fetchToken gets the token of the runner's credential, or of the account that it impersonates.
func (g login) fetchToken(ctx context.Context) (*oauth2.Token, error) {
	source, err := g.findCredential(ctx)
	if err != nil {
		return nil, err
	}
	if len(g.accounts) > 0 {
		last := len(g.accounts) - 1
		at := "https://iamcredentials.googleapis.com/v1/" + g.accounts[last] + ":generateAccessToken"
		source = impersonate(ctx, source, at, g.accounts[:last])
	}
	return source.Token()
}

// tokenFunc is an [oauth2.TokenSource].
type tokenFunc func() (*oauth2.Token, error)

// Token calls the function.
func (t tokenFunc) Token() (*oauth2.Token, error) { return t() }

// impersonate requests the token of a service account with the token of an account that may
// impersonate it:
// https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
func impersonate(
	ctx context.Context, base oauth2.TokenSource, at string, delegates []string,
) oauth2.TokenSource {
	return tokenFunc(func() (*oauth2.Token, error) {
		body, err := json.Marshal(struct {
			Scope     []string `json:"scope"`
			Lifetime  string   `json:"lifetime"` // the longest one without an organization policy
			Delegates []string `json:"delegates,omitempty"`
		}{scopes, "3600s", delegates})
		if err != nil {
			return nil, err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
		if err != nil {
			return nil, errors.New("the service account's address is not a URL")
		}
		request.Header.Set("Content-Type", "application/json")
		answer, err := oauth2.NewClient(ctx, base).Do(request)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close() //nolint:errcheck // read to its end
		var made struct {
			AccessToken string    `json:"accessToken"`
			ExpireTime  time.Time `json:"expireTime"`
		}
		if json.NewDecoder(io.LimitReader(answer.Body, mostOfAnswer)).Decode(&made) != nil {
			return nil, errors.New("iamcredentials.googleapis.com answered something else than " +
				"a token")
		}
		return &oauth2.Token{AccessToken: made.AccessToken, Expiry: made.ExpireTime}, nil
	})
}
