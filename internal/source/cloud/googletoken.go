package cloud

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

const getGoogleToken = "get a token of Google" //nolint:gosec // says what was tried

// token is [Login.Token]. The expiry is zero where nobody says it, which is so for CLOUDSDK_AUTH_ACCESS_TOKEN: such tokens
// live for an hour by default and cannot be renewed here.
func (g gcp) token(ctx context.Context) (secret.Value, time.Time, error) {
	var refused error
	ctx = context.WithValue(ctx, oauth2.HTTPClient, g.client(ctx, &refused))
	source, err := g.base(ctx)
	if err == nil && len(g.accounts) > 0 {
		last := len(g.accounts) - 1
		at := "https://iamcredentials.googleapis.com/v1/" + g.accounts[last] + ":generateAccessToken"
		source = impersonated(ctx, source, at, g.accounts[:last])
	}
	var got *oauth2.Token
	if err == nil {
		got, err = source.Token()
	}
	if err == nil && !accessToken.matches(got.AccessToken) {
		err = errors.New("what was given as one is not one line of ASCII")
	}
	if err != nil {
		return secret.Value{}, time.Time{}, failed(getGoogleToken, cmp.Or(refused, err))
	}
	return secret.New(got.AccessToken), got.Expiry, nil
}

// tokens is an [oauth2.TokenSource].
type tokens func() (*oauth2.Token, error)

func (t tokens) Token() (*oauth2.Token, error) { return t() }

// impersonated asks for the token of a service account with the token of one that may:
// https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
func impersonated(ctx context.Context, base oauth2.TokenSource, at string, delegates []string) oauth2.TokenSource {
	return tokens(func() (*oauth2.Token, error) {
		body, err := json.Marshal(struct {
			Scope     []string `json:"scope"`
			Lifetime  string   `json:"lifetime"` // an hour is the most without an organization policy
			Delegates []string `json:"delegates,omitempty"`
		}{googleScopes, "3600s", delegates})
		if err != nil {
			return nil, err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
		if err != nil {
			return nil, errors.New("the service account's address is not one")
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
			return nil, errors.New("iamcredentials.googleapis.com answered something else than a token")
		}
		return &oauth2.Token{AccessToken: made.AccessToken, Expiry: made.ExpireTime}, nil
	})
}

// metadata asks the server that a machine or a pod of Google Cloud has. [google.ComputeTokenSource] does the same, but
// with a client, a context and a memory of its own, and tries again for long.
func (g gcp) metadata(ctx context.Context) (*oauth2.Token, error) {
	soon, cancel := context.WithTimeout(ctx, metadataWait)
	defer cancel()
	at := url.URL{
		Scheme: "http", Host: cmp.Or(g.Getenv("GCE_METADATA_HOST"), "169.254.169.254"),
		Path:     "/computeMetadata/v1/instance/service-accounts/default/token",
		RawQuery: url.Values{"scopes": {strings.Join(googleScopes, ",")}}.Encode(),
	}
	request, err := http.NewRequestWithContext(soon, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return nil, errors.New("GCE_METADATA_HOST is not a host")
	}
	request.Header.Set("Metadata-Flavor", "Google")
	answer, err := g.direct().Do(request)
	if wire.Final(err) {
		return nil, failed(getGoogleToken, fmt.Errorf("ask the metadata server at %s: %w", at.Host, cause(err)))
	}
	if err != nil {
		return nil, cmp.Or(ctx.Err(), g.nothing())
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	var made struct {
		AccessToken string `json:"access_token"`
		Seconds     int64  `json:"expires_in"`
	}
	switch {
	case answer.Header.Get("Metadata-Flavor") != "Google": // another cloud's, at the same address
		return nil, g.nothing()
	case answer.StatusCode != http.StatusOK:
		return nil, problem.Newf(problem.Source, getGoogleToken, "the metadata server answers %s", answer.Status).
			Hint("see whether this machine, or this pod's ServiceAccount, has a service account of Google's")
	case json.NewDecoder(io.LimitReader(answer.Body, mostOfAnswer)).Decode(&made) != nil || made.Seconds <= 0:
		return nil, errors.New("the metadata server answers something else than a token")
	}
	return &oauth2.Token{AccessToken: made.AccessToken, Expiry: time.Now().Add(time.Duration(made.Seconds) * time.Second)}, nil
}

// nothing says where no credential was found.
func (g gcp) nothing() error {
	looked := "no GOOGLE_APPLICATION_CREDENTIALS"
	if !g.adc {
		looked = "no CLOUDSDK_AUTH_ACCESS_TOKEN, no CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE, " + looked
	}
	if file := g.wellKnown(); file != "" {
		looked += ", no " + file
	}
	return problem.Newf(problem.Source, "find a credential for Google", "there is %s, and no metadata server of Google's", looked).
		Hint("GitHub: google-github-actions/auth in an earlier step, in a job with `id-token: write`, sets GOOGLE_APPLICATION_CREDENTIALS").
		Hint("GitLab: workload identity federation: GOOGLE_APPLICATION_CREDENTIALS names a credential file, whose source is a file with " +
			"the job's ID token").
		Hint("or google-github-actions/get-gke-credentials writes a kubeconfig with a token")
}
