package source

import (
	"errors"
	"maps"
	"net/url"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/certs"
	"github.com/kubemint/kubemint/internal/source/cloud"
	"github.com/kubemint/kubemint/internal/source/disk"
	"github.com/kubemint/kubemint/internal/source/program"
)

const byToken = "a token in the kubeconfig goes before the program: `kubectl config set-credentials USER --token=…`"

// plugin is how a user without token, certificate and password logs in: as its cloud's program would,
// or not at all. A user who has one never reaches the plugin with client-go either
// (Authenticator.UpdateTransportConfig in its exec package), and its stanza is dropped without a word.
func (l *loader) plugin(op string, u *api.AuthInfo, c *api.Cluster) error {
	server, _ := url.Parse(c.Server) // what is no URL has been refused with the cluster
	stanza := cloud.Stanza{Server: server, Trusted: !l.written(u.LocationOfOrigin), ReadFile: func(field,
		path string,
	) ([]byte, error) {
		_, data, err := l.readNamed(op, field, path, u.LocationOfOrigin)
		return data, err
	}}
	switch {
	case u.Exec != nil:
		stanza.Program = strings.TrimSuffix(u.Exec.Command[strings.LastIndexAny(u.Exec.Command, `/\`)+1:], ".exe")
		stanza.Args, stanza.Env = u.Exec.Args, map[string]string{}
		for _, variable := range u.Exec.Env {
			stanza.Env[variable.Name] = variable.Value
		}
	case u.AuthProvider != nil && u.AuthProvider.Name == "oidc":
		return l.idToken(op, u)
	case u.AuthProvider != nil:
		stanza.Program, stanza.Config = u.AuthProvider.Name, map[string]string{}
		maps.Copy(stanza.Config, u.AuthProvider.Config)
	default:
		return fail(op, "there is no credential in it").
			Hint("have an earlier step log in, or add a token: `kubectl config set-credentials USER --token=…`")
	}
	login, err := cloud.For(stanza, cloud.Runner{
		Getenv: l.Getenv, IDToken: l.IDToken, HTTP: l.HTTP,
		ReadFile: func(path string) ([]byte, error) { return disk.Read(l.Inside(path)) },
	})
	switch why, _ := errors.AsType[*problem.Error](err); {
	case why != nil:
		refused := fail(op, "its credential comes from %s: %w", stanza.Program, why.Cause)
		refused.Hints = why.Hint(byToken).Hints
		return refused
	case login == nil:
		return notServed(op, stanza)
	}
	for _, note := range login.Notes {
		l.warn("%s: %s", strings.TrimPrefix(op, "use "), note)
	}
	l.login, l.secrets = login.Token, login.Secrets
	return l.release(op, login, server, u, c)
}

// refreshIt is the remedy where kubectl would ask the identity provider for another ID token, and write
// it into the kubeconfig (client-go 0.37, plugin/pkg/client/auth/oidc).
const refreshIt = "run any kubectl command with this kubeconfig in an earlier step: it refreshes the " +
	"id-token, and writes it into the file"

// idToken has the ID token of the auth-provider oidc as the user's token, as kubectl does while it is
// valid. It is never refreshed: the identity provider is one that the kubeconfig names, and would be
// sent its client secret.
func (l *loader) idToken(op string, u *api.AuthInfo) error {
	given := strings.TrimSpace(u.AuthProvider.Config["id-token"])
	claims, err := secret.New(given).Claims()
	switch {
	case given == "":
		return fail(op, "its auth-provider oidc has no id-token").Hint(refreshIt)
	case certs.Omitted([]byte(given)):
		return fail(op, "its id-token was left out when the kubeconfig was printed").Hint("%s", certs.WithoutRaw)
	case err != nil || !oneLine(given):
		return fail(op, "the id-token of its auth-provider oidc is not a JSON Web Token").Hint(refreshIt)
	case claims.ExpiresAt.IsZero():
		return fail(op, "the id-token of its auth-provider oidc does not say when it expires, which kubectl "+
			"takes for expired").
			Hint(refreshIt)
	case !time.Now().Before(claims.ExpiresAt):
		return fail(op, "the id-token of its auth-provider oidc expired at %s, and kubemint refreshes none",
			claims.ExpiresAt.UTC().Format(time.RFC3339)).Hint(refreshIt)
	}
	u.Token = given
	return nil
}

// notServed refuses a program that kubemint makes no token for, with the way to one.
func notServed(op string, s cloud.Stanza) error {
	name := s.Program
	if !cloud.ProgramLike(name) {
		name = "a program"
	}
	err := fail(op, "its credential comes from %s, and kubemint never runs what a kubeconfig names", name)
	err.Hints = program.For(s.Program, s.Args).Hints()
	return err.Hint(byToken)
}
