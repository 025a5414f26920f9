package cloud

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/google/externalaccount"

	"github.com/kubemint/kubemint/internal/problem"
)

// googleScopes are the plugin's (default_credentials_token_provider.go): the second one has the cluster see the account's
// address, and not its number, as the user's name.
var googleScopes = []string{"https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email"}

// googleHost are the hosts that a credential file may have a secret sent to: those that Google's tools write, and their
// regional and Private Service Connect forms. A file source could else send any file of the runner to anybody:
// https://cloud.google.com/docs/authentication/external/externally-sourced-credentials
const googleHost = pattern(
	`^((oauth2|sts|iamcredentials)(\.[a-z0-9-]+\.rep|-[a-z0-9-]+\.p)?\.googleapis\.com|www\.googleapis\.com|accounts\.google\.com)$`)

// base finds the runner's own credential, in gcloud's order (_Load in its core/credentials/store.py), which is then that of
// application default credentials. What is named and cannot be read is an error: the next one would be another account's.
func (g gcp) base(ctx context.Context) (oauth2.TokenSource, error) {
	if g.given() {
		text := g.Getenv(givenToken)
		if text == "" {
			content, err := g.read(givenToken+"_FILE", g.Getenv(givenToken+"_FILE"))
			if err != nil {
				return nil, err
			}
			text = string(content)
		}
		return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: strings.TrimSpace(text)}), nil
	}
	if name := g.file(); name != "" {
		content, err := g.read(name, g.Getenv(name))
		if err != nil {
			return nil, err
		}
		return g.credential(ctx, name, content)
	}
	if wellKnown := g.wellKnown(); wellKnown != "" {
		switch content, err := g.ReadFile(wellKnown); {
		case err == nil:
			return g.credential(ctx, "application_default_credentials.json", content)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, failed("read gcloud's application_default_credentials.json", err)
		}
	}
	return tokens(func() (*oauth2.Token, error) { return g.metadata(ctx) }), nil
}

// wellKnown is where `gcloud auth application-default login` writes; "" where there is no home.
func (g gcp) wellKnown() string {
	home, below := g.Getenv("HOME"), ".config/gcloud"
	if runtime.GOOS == "windows" {
		home, below = g.Getenv("APPDATA"), "gcloud"
	}
	if home != "" {
		home = filepath.Join(home, below)
	}
	if home = cmp.Or(g.Getenv("CLOUDSDK_CONFIG"), home); home == "" {
		return ""
	}
	return filepath.Join(home, "application_default_credentials.json")
}

func (g gcp) read(name, path string) ([]byte, error) {
	content, err := g.ReadFile(path)
	return content, failed("read the file that "+name+" names", err,
		"see whether the step that wrote it has run before this one, in this job, and whether this step sees its directory")
}

// credentialFile is what is looked at of a credential file here, with the names and types of
// golang.org/x/oauth2/google (credentialsFile), so that both read the same.
type credentialFile struct {
	Type             string                           `json:"type"`
	TokenURI         string                           `json:"token_uri"` // of service_account
	TokenURL         string                           `json:"token_url"` // of external_account
	ImpersonationURL string                           `json:"service_account_impersonation_url"`
	PrivateKey       string                           `json:"private_key"`
	Audience         string                           `json:"audience"`
	SubjectTokenType string                           `json:"subject_token_type"`
	ClientID         string                           `json:"client_id"`
	ClientSecret     string                           `json:"client_secret"`
	UserProject      string                           `json:"workforce_pool_user_project"`
	Delegates        []string                         `json:"delegates"`
	Source           externalaccount.CredentialSource `json:"credential_source"`
	Base             json.RawMessage                  `json:"source_credentials"`
	Impersonation    struct {
		Seconds int `json:"token_lifetime_seconds"`
	} `json:"service_account_impersonation"`
	Web       json.RawMessage `json:"web"` // with one of these the library sees an OAuth client, whose login needs a person
	Installed json.RawMessage `json:"installed"`
}

// stranger says whether an address is given, and is not Google's.
func stranger(at string) bool {
	u, err := url.Parse(at)
	return at != "" && (err != nil || u.Scheme != "https" || u.User != nil || !googleHost.matches(u.Host))
}

// credential is the token source of a credential file, of every type that Google's tools write but GDCH's.
func (g gcp) credential(ctx context.Context, where string, content []byte) (oauth2.TokenSource, error) {
	op := "use the credential file of " + where
	var f credentialFile
	if json.Unmarshal(content, &f) != nil {
		return nil, problem.Newf(problem.Source, op, "it is not a JSON credential file").
			Hint("give the path of the file that google-github-actions/auth or `gcloud auth application-default " +
				"login` wrote")
	}
	if slices.ContainsFunc([]string{f.TokenURI, f.TokenURL, f.ImpersonationURL}, stranger) {
		return nil, problem.Newf(problem.Source, op, "it has a token sent to an address that is not Google's").
			Hint("make the file anew with gcloud or google-github-actions/auth; other universes than googleapis.com are not known here")
	}
	var source oauth2.TokenSource
	var err error
	switch kind := google.CredentialsType(f.Type); {
	case f.Web != nil || f.Installed != nil:
		err = errors.New("it is an OAuth client, and no credential")
	case kind == google.ServiceAccount && !strings.Contains(f.PrivateKey, "-----BEGIN "):
		err = errors.New("its private_key is not PEM") // the library's error would tell of its first bytes
	case kind == google.ExternalAccount:
		source, err = g.external(ctx, op, f)
	case kind == google.ImpersonatedServiceAccount && len(f.Base) > 0 && f.ImpersonationURL != "":
		source, err = g.credential(ctx, where, f.Base)
		source = impersonated(ctx, source, f.ImpersonationURL, f.Delegates)
	case kind == google.ServiceAccount, kind == google.AuthorizedUser,
		kind == google.ExternalAccountAuthorizedUser:
		var made *google.Credentials
		if made, err = google.CredentialsFromJSONWithType(ctx, content, kind, googleScopes...); err == nil {
			source = made.TokenSource
		}
	case programLike.matches(f.Type):
		err = fmt.Errorf("a credential of type %s cannot be used, or is not complete", f.Type)
	default:
		err = errors.New("it has no type")
	}
	return source, failed(op, err)
}

// external is workload identity federation. The library would read a file source itself, under the name that the file has on the
// runner's host, so that it is read here. Of an AWS source it reads AWS_* from the environment, and else asks the
// addresses that the file gives; only Google is sent what it signs.
func (g gcp) external(ctx context.Context, op string, f credentialFile) (oauth2.TokenSource, error) {
	if f.Source.Executable != nil {
		return nil, problem.Newf(problem.Source, op, "its credential_source is `executable`, and kubemint runs no program").
			Hint("use a source `url` or `file`: an earlier step can run the program and write what it prints into a file")
	}
	config := externalaccount.Config{
		Audience: f.Audience, SubjectTokenType: f.SubjectTokenType, TokenURL: f.TokenURL,
		ServiceAccountImpersonationURL: f.ImpersonationURL, ServiceAccountImpersonationLifetimeSeconds: f.Impersonation.Seconds,
		ClientID: f.ClientID, ClientSecret: f.ClientSecret, WorkforcePoolUserProject: f.UserProject,
		CredentialSource: &f.Source, Scopes: googleScopes,
	}
	if f.Source.File != "" && f.Source.EnvironmentID == "" {
		content, err := g.read("credential_source", f.Source.File)
		if err != nil {
			return nil, err
		}
		text, err := subjectToken(content, f.Source.Format)
		if err != nil {
			return nil, err
		}
		config.CredentialSource, config.SubjectTokenSupplier = nil, text
	}
	return externalaccount.NewTokenSource(ctx, config)
}

// subject is the token that a file holds. It implements [externalaccount.SubjectTokenSupplier].
type subject string

// SubjectToken gives it.
func (s subject) SubjectToken(context.Context, externalaccount.SupplierOptions) (string, error) {
	return string(s), nil
}

// subjectToken reads the formats of the library's fileCredentialSource.
func subjectToken(content []byte, format externalaccount.Format) (subject, error) {
	if format.Type == "" || format.Type == "text" {
		return subject(bytes.TrimSpace(content)), nil
	}
	var fields map[string]any
	if format.Type != "json" || json.Unmarshal(content, &fields) != nil {
		return "", errors.New("the file that credential_source names is not of the format that it says")
	}
	text, ok := fields[format.SubjectTokenFieldName].(string)
	if !ok {
		return "", errors.New("the file that credential_source names has no such field as subject_token_field_name says")
	}
	return subject(text), nil
}
