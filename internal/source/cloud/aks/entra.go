package aks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

// login is an identity of Entra, and what it requests a token for.
type login struct {
	client     *http.Client
	cloud      entra
	server     string // the application that the token is for
	id, tenant string
	proof      proof
}

// proof holds what an identity logs in with: one of the first four.
type proof struct {
	machine     bool // the machine's own endpoint vouches for it
	certificate func() ([]byte, error)
	secret      secret.Value
	assertion   func(context.Context) (secret.Value, error)

	resource string       // of a machine's identity that has no id
	password secret.Value // of the certificate
}

// requestToken is [plugin.Login.Token].
func (l *login) requestToken(ctx context.Context) (secret.Value, time.Time, error) {
	seen := &exchange{}
	credential, err := l.newCredential(ctx, azcore.ClientOptions{
		Cloud:            l.cloud.config,
		Transport:        l.client,
		PerRetryPolicies: []policy.Policy{seen},
		// The defaults wait for minutes, and a network without managed identities drops requests to
		// their endpoint.
		Retry: policy.RetryOptions{
			MaxRetries: 2, TryTimeout: 4 * time.Second,
			RetryDelay: 500 * time.Millisecond, MaxRetryDelay: 3 * time.Second,
		},
	})
	if err != nil {
		return secret.Value{}, time.Time{}, err
	}
	got, err := credential.GetToken(
		ctx, policy.TokenRequestOptions{Scopes: []string{l.server + "/.default"}},
	)
	if err != nil {
		return secret.Value{}, time.Time{}, l.explainFailure(ctx, seen, err)
	}
	return secret.New(got.Token), got.ExpiresOn, nil
}

// exchange remembers the last request: the library's errors print whole answers, or lose the error
// of the transport.
type exchange struct {
	response *http.Response
	err      error
}

// Do is a step of the library's pipeline, which runs for every try.
func (e *exchange) Do(r *policy.Request) (*http.Response, error) {
	e.response, e.err = r.Next()
	return e.response, e.err
}

// explainFailure explains why Entra returned no token.
func (l *login) explainFailure(ctx context.Context, seen *exchange, err error) error {
	op := "ask Entra for a token"
	var hints []string
	switch {
	case l.proof.machine:
		op = "ask the machine for the token of a managed identity"
		hints = []string{"this needs a machine of Azure that the identity is assigned to, " +
			"which GitHub's own runners are not"}
	case l.proof.assertion != nil:
		hints = []string{"the application needs a federated credential with the issuer, the " +
			"subject and the audience of this job"}
	}
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case seen.err != nil:
		err = seen.err
	case seen.response != nil && seen.response.StatusCode == http.StatusOK:
		err = errors.New("the answer holds no token")
	case seen.response != nil:
		err = l.describeRefusal(seen.response)
	}
	return plugin.ExplainFailure(op, err, hints...)
}

// jsonWebToken matches the token that a refusal may repeat.
const jsonWebToken = `[\w-]{16,}\.[\w-]{16,}\.[\w-]*` //nolint:gosec // a pattern

// describeRefusal returns what Entra says, without the identifiers that follow and mean nothing
// here.
func (l *login) describeRefusal(response *http.Response) error {
	var answer struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	body, _ := runtime.Payload(response)
	_ = json.Unmarshal(body, &answer) // a proxy's answer is not JSON, and is not repeated
	text := cmp.Or(answer.Description, answer.Error, "without a reason")
	text, _, _ = strings.Cut(text, "Trace ID:")
	if !l.proof.secret.IsEmpty() {
		text = strings.ReplaceAll(text, l.proof.secret.Reveal(), secret.Redacted)
	}
	text = regexp.MustCompile(jsonWebToken).ReplaceAllString(text, secret.Redacted)
	return fmt.Errorf("HTTP status %d: %s", response.StatusCode, text)
}
