package gke

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google/externalaccount"

	"github.com/kubemint/kubemint/internal/problem"
)

// federate makes the token source of workload identity federation. A file source is read here,
// since the library would look for it under the path that the file has on the runner's host. For an
// AWS source the library reads AWS_* from the environment, or asks the addresses that the file
// gives; what it signs is only sent to Google.
func (g login) federate(ctx context.Context, op string, f credentialFile) (oauth2.TokenSource, error) {
	if f.Source.Executable != nil {
		return nil, problem.Newf(problem.Source, op,
			"its credential_source is `executable`, and kubemint runs no program").
			Hint("use a source `url` or `file`: an earlier step can run the program " +
				"and write its output to a file")
	}
	config := externalaccount.Config{
		Audience: f.Audience, SubjectTokenType: f.SubjectTokenType, TokenURL: f.TokenURL,
		ServiceAccountImpersonationURL:             f.ImpersonationURL,
		ServiceAccountImpersonationLifetimeSeconds: f.Impersonation.Seconds,
		ClientID: f.ClientID, ClientSecret: f.ClientSecret, WorkforcePoolUserProject: f.UserProject,
		CredentialSource: &f.Source, Scopes: scopes,
	}
	if f.Source.File != "" && f.Source.EnvironmentID == "" {
		content, err := g.readNamedFile("credential_source", f.Source.File)
		if err != nil {
			return nil, err
		}
		text, err := parseSubject(content, f.Source.Format)
		if err != nil {
			return nil, err
		}
		config.CredentialSource = nil
		config.SubjectTokenSupplier = text
	}
	return externalaccount.NewTokenSource(ctx, config)
}

// subjectText is the token that a file holds. It implements [externalaccount.SubjectTokenSupplier].
type subjectText string

// SubjectToken returns the token.
func (s subjectText) SubjectToken(context.Context, externalaccount.SupplierOptions) (string, error) {
	return string(s), nil
}

// parseSubject reads the formats of the library's fileCredentialSource.
func parseSubject(content []byte, format externalaccount.Format) (subjectText, error) {
	if format.Type == "" || format.Type == "text" {
		return subjectText(bytes.TrimSpace(content)), nil
	}
	var fields map[string]any
	if format.Type != "json" || json.Unmarshal(content, &fields) != nil {
		return "", errors.New("the file that credential_source names does not have the format " +
			"that it says")
	}
	text, ok := fields[format.SubjectTokenFieldName].(string)
	if !ok {
		return "", errors.New("the file that credential_source names lacks its " +
			"subject_token_field_name")
	}
	return subjectText(text), nil
}
