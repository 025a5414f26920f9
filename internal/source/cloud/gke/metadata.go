package gke

import (
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
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

const metadataWait = 5 * time.Second

// metadataHeader is in every request to a metadata server of Google's, and in its answers.
const metadataHeader = "Metadata-Flavor"

// askMetadata asks the metadata server of a machine or a pod of Google Cloud.
// [google.ComputeTokenSource] does the same, but with a client, a context and a cache of its own,
// and retries for a long time.
func (g login) askMetadata(ctx context.Context) (*oauth2.Token, error) {
	soon, cancel := context.WithTimeout(ctx, metadataWait)
	defer cancel()
	at := url.URL{
		Scheme: "http", Host: cmp.Or(g.Getenv("GCE_METADATA_HOST"), "169.254.169.254"),
		Path:     "/computeMetadata/v1/instance/service-accounts/default/token",
		RawQuery: url.Values{"scopes": {strings.Join(scopes, ",")}}.Encode(),
	}
	request, err := http.NewRequestWithContext(soon, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return nil, errors.New("GCE_METADATA_HOST is not a host")
	}
	request.Header.Set(metadataHeader, "Google")
	answer, err := g.DirectClient().Do(request)
	if wire.Final(err) {
		return nil, plugin.ExplainFailure(getToken,
			fmt.Errorf("ask the metadata server at %s: %w", at.Host, plugin.DropURL(err)))
	}
	if err != nil {
		return nil, cmp.Or(ctx.Err(), g.explainNothing())
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	return g.readMetadata(answer)
}

// readMetadata reads the token from an answer of the metadata server.
func (g login) readMetadata(answer *http.Response) (*oauth2.Token, error) {
	var made struct {
		AccessToken string `json:"access_token"`
		Seconds     int64  `json:"expires_in"`
	}
	switch {
	case answer.Header.Get(metadataHeader) != "Google": // another cloud's server, at the same address
		return nil, g.explainNothing()
	case answer.StatusCode != http.StatusOK:
		return nil, problem.Newf(problem.Source, getToken, "the metadata server answers %s", answer.Status).
			Hint("see whether this machine, or this pod's ServiceAccount, has a service " +
				"account of Google's")
	}
	err := json.NewDecoder(io.LimitReader(answer.Body, mostOfAnswer)).Decode(&made)
	if err != nil || made.Seconds <= 0 {
		return nil, errors.New("the metadata server answers something else than a token")
	}
	expiry := time.Now().Add(time.Duration(made.Seconds) * time.Second)
	return &oauth2.Token{AccessToken: made.AccessToken, Expiry: expiry}, nil
}

// explainNothing lists where no credential was found.
func (g login) explainNothing() error {
	looked := "no " + adcVariable
	if !g.adc {
		looked = "no " + tokenVariable + ", no " + overrideVariable + ", " + looked
	}
	if file := g.wellKnownFile(); file != "" {
		looked += ", no " + file
	}
	return problem.Newf(problem.Source, "find a credential for Google",
		"there is %s, and no metadata server of Google's", looked).
		Hint("GitHub: google-github-actions/auth in an earlier step, in a job with `id-token: " +
			"write`, sets GOOGLE_APPLICATION_CREDENTIALS").
		Hint("GitLab: workload identity federation: GOOGLE_APPLICATION_CREDENTIALS names a " +
			"credential file, whose source is a file with the job's ID token").
		Hint("or google-github-actions/get-gke-credentials writes a kubeconfig with a token")
}
