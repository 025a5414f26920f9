package gke

import (
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
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
)

// googleHost matches the hosts that a credential file may send a secret to: those that Google's
// tools write, and their regional and Private Service Connect forms. Otherwise a file source could
// send any file of the runner to anyone:
// https://cloud.google.com/docs/authentication/external/externally-sourced-credentials
const googleHost = plugin.Pattern(`^((oauth2|sts|iamcredentials)(\.[a-z0-9-]+\.rep|-[a-z0-9-]+\.p)?` +
	`\.googleapis\.com|www\.googleapis\.com|accounts\.google\.com)$`)

// findCredential finds the runner's own credential in gcloud's order (_Load in its
// core/credentials/store.py), then in that of application default credentials. A file that is named
// but cannot be read is an error: the next credential would be another account's.
func (g login) findCredential(ctx context.Context) (oauth2.TokenSource, error) {
	if g.hasToken() {
		text, err := g.readToken()
		if err != nil {
			return nil, err
		}
		return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: strings.TrimSpace(text)}), nil
	}
	if name := g.fileVariable(); name != "" {
		content, err := g.readNamedFile(name, g.Getenv(name))
		if err != nil {
			return nil, err
		}
		return g.readCredential(ctx, name, content)
	}
	if wellKnown := g.wellKnownFile(); wellKnown != "" {
		switch content, err := g.ReadFile(wellKnown); {
		case err == nil:
			return g.readCredential(ctx, "application_default_credentials.json", content)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, plugin.ExplainFailure("read gcloud's application_default_credentials.json", err)
		}
	}
	return tokenFunc(func() (*oauth2.Token, error) { return g.askMetadata(ctx) }), nil
}

// readToken returns the token that an earlier step made.
func (g login) readToken() (string, error) {
	if text := g.Getenv(tokenVariable); text != "" {
		return text, nil
	}
	content, err := g.readNamedFile(tokenFileVariable, g.Getenv(tokenFileVariable))
	return string(content), err
}

// wellKnownFile returns where `gcloud auth application-default login` writes, "" where there is no
// home.
func (g login) wellKnownFile() string {
	home := g.Getenv("HOME")
	below := ".config/gcloud"
	if runtime.GOOS == "windows" {
		home = g.Getenv("APPDATA")
		below = "gcloud"
	}
	if home != "" {
		home = filepath.Join(home, below)
	}
	if home = cmp.Or(g.Getenv("CLOUDSDK_CONFIG"), home); home == "" {
		return ""
	}
	return filepath.Join(home, "application_default_credentials.json")
}

func (g login) readNamedFile(name, path string) ([]byte, error) {
	content, err := g.ReadFile(path)
	return content, plugin.ExplainFailure("read the file that "+name+" names", err,
		"see whether the step that wrote it has run before this one, in this job, "+
			"and whether this step sees its directory")
}

// credentialFile holds the fields of a credential file that are checked here. Names and types are
// those of golang.org/x/oauth2/google (credentialsFile), so that both read the same.
type credentialFile struct {
	Type             string          `json:"type"`
	TokenURL         string          `json:"token_url"` // of external_account
	ImpersonationURL string          `json:"service_account_impersonation_url"`
	Delegates        []string        `json:"delegates"`
	Base             json.RawMessage `json:"source_credentials"`
	serviceAccountKey
	externalAccount
	oauthClient
}

// serviceAccountKey holds the fields of a file of the type service_account.
type serviceAccountKey struct {
	TokenURI   string `json:"token_uri"`
	PrivateKey string `json:"private_key"`
}

// externalAccount holds the fields of workload identity federation.
type externalAccount struct {
	Audience         string                           `json:"audience"`
	SubjectTokenType string                           `json:"subject_token_type"`
	ClientID         string                           `json:"client_id"`
	ClientSecret     string                           `json:"client_secret"`
	UserProject      string                           `json:"workforce_pool_user_project"`
	Source           externalaccount.CredentialSource `json:"credential_source"`
	Impersonation    struct {
		Seconds int `json:"token_lifetime_seconds"`
	} `json:"service_account_impersonation"`
}

// oauthClient holds the fields that tell the library it is an OAuth client, whose login needs a
// person.
type oauthClient struct {
	Web       json.RawMessage `json:"web"`
	Installed json.RawMessage `json:"installed"`
}

// isForeign reports whether an address is given that is not Google's.
func isForeign(at string) bool {
	if at == "" {
		return false
	}
	u, err := url.Parse(at)
	return err != nil || u.Scheme != "https" || u.User != nil || !googleHost.Matches(u.Host)
}

// readCredential returns the token source of a credential file. It knows every type that Google's
// tools write except GDCH's.
func (g login) readCredential(
	ctx context.Context, where string, content []byte,
) (oauth2.TokenSource, error) {
	op := "use the credential file of " + where
	var f credentialFile
	if json.Unmarshal(content, &f) != nil {
		return nil, problem.Newf(problem.Source, op, "it is not a JSON credential file").
			Hint("give the path of the file that google-github-actions/auth or " +
				"`gcloud auth application-default login` wrote")
	}
	if slices.ContainsFunc([]string{f.TokenURI, f.TokenURL, f.ImpersonationURL}, isForeign) {
		return nil, problem.Newf(problem.Source, op, "it sends a token to an address that is "+
			"not Google's").
			Hint("recreate the file with gcloud or google-github-actions/auth; " +
				"universes other than googleapis.com are not supported")
	}
	source, err := g.newSource(ctx, where, f, content)
	return source, plugin.ExplainFailure(op, err)
}

// newSource makes the token source of a credential file, by the file's type.
func (g login) newSource(
	ctx context.Context, where string, f credentialFile, content []byte,
) (oauth2.TokenSource, error) {
	switch kind := google.CredentialsType(f.Type); {
	case f.Web != nil || f.Installed != nil:
		return nil, errors.New("it is an OAuth client, not a credential")
	case kind == google.ServiceAccount && !strings.Contains(f.PrivateKey, "-----BEGIN "):
		return nil, errors.New("its private_key is not PEM") // the library's error would show its first bytes
	case kind == google.ExternalAccount:
		return g.federate(ctx, "use the credential file of "+where, f)
	case kind == google.ImpersonatedServiceAccount && len(f.Base) > 0 && f.ImpersonationURL != "":
		base, err := g.readCredential(ctx, where, f.Base)
		return impersonate(ctx, base, f.ImpersonationURL, f.Delegates), err
	case kind == google.ServiceAccount, kind == google.AuthorizedUser,
		kind == google.ExternalAccountAuthorizedUser:
		made, err := google.CredentialsFromJSONWithType(ctx, content, kind, scopes...)
		if err != nil {
			return nil, err
		}
		return made.TokenSource, nil
	case plugin.ProgramName.Matches(f.Type):
		return nil, fmt.Errorf("a credential of type %s cannot be used, or is not complete", f.Type)
	}
	return nil, errors.New("it has no type")
}
