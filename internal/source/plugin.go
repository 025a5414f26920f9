package source

import (
	"errors"
	"net/url"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/disk"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/bearer"
	"github.com/kubemint/kubemint/internal/source/cloud"
	"github.com/kubemint/kubemint/internal/source/cloud/plugin"
	"github.com/kubemint/kubemint/internal/source/program"
)

const byToken = "a token in the kubeconfig takes precedence: " +
	"`kubectl config set-credentials USER --token=…`"

// replacePlugin finds the login of a user without token, certificate and password: the one that its
// cloud's program would do, or none. The plugin of a user that has one of these never runs with
// client-go either (Authenticator.UpdateTransportConfig in its exec package), so its stanza is
// dropped silently.
func (l *loader) replacePlugin(op string, u *api.AuthInfo, c *api.Cluster) error {
	switch {
	case u.Exec != nil:
		return l.replaceProgram(op, u, c)
	case u.AuthProvider == nil:
		return refuse(op, "there is no credential in it").
			Hint("have an earlier step log in, or add a token: `kubectl config set-credentials " +
				"USER --token=…`")
	case u.AuthProvider.Name == "oidc":
		// As with kubectl, the ID token is the user's token while it is valid. It is never
		// refreshed: the kubeconfig names the identity provider, which would get its client secret.
		u.Token = strings.TrimSpace(u.AuthProvider.Config["id-token"])
		return bearer.CheckIDToken(op, u.Token)
	}
	return refuseProvider(op, u.AuthProvider.Name)
}

// replaceProgram finds the login that replaces the program of an exec stanza.
func (l *loader) replaceProgram(op string, u *api.AuthInfo, c *api.Cluster) error {
	server, _ := url.Parse(c.Server) // prepareCluster has refused anything that is not a URL
	stanza := l.readStanza(op, u, server)
	login, err := cloud.For(stanza, plugin.Runner{
		Getenv: l.Getenv, IDToken: l.IDToken, HTTP: l.HTTP,
		ReadFile: func(path string) ([]byte, error) { return disk.Read(l.Inside(path)) },
	})
	switch why, _ := errors.AsType[*problem.Error](err); {
	case why != nil:
		refused := refuse(op, "its credential comes from %s: %w", stanza.Program, why.Cause)
		refused.Hints = why.Hint(byToken).Hints
		return refused
	case login == nil:
		return refuseProgram(op, stanza.Program, stanza.Args)
	}
	for _, note := range login.Notes {
		l.addWarning("%s: %s", strings.TrimPrefix(op, "use "), note)
	}
	l.login = login.Token
	l.secrets = login.Secrets
	return l.policy.CheckRelease(op, login, server, u, c)
}

// readStanza reads the exec stanza of a user.
func (l *loader) readStanza(op string, u *api.AuthInfo, server *url.URL) plugin.Stanza {
	base := u.Exec.Command[strings.LastIndexAny(u.Exec.Command, `/\`)+1:]
	env := map[string]string{}
	for _, variable := range u.Exec.Env {
		env[variable.Name] = variable.Value
	}
	return plugin.Stanza{
		Program: strings.TrimSuffix(base, ".exe"), Args: u.Exec.Args, Env: env,
		Server: server, Trusted: !l.policy.IsPlanted(u.LocationOfOrigin),
		ReadFile: func(field, path string) ([]byte, error) {
			_, data, err := l.readNamed(op, field, path, u.LocationOfOrigin)
			return data, err
		},
	}
}

// refuseProvider refuses an auth-provider.
func refuseProvider(op, name string) error {
	remedies := program.RemovedProvider(name)
	if remedies == nil {
		return refuseProgram(op, name, nil)
	}
	err := refuse(op, "its auth-provider %s no longer exists: Kubernetes removed it in 1.26", name)
	err.Hints = remedies
	return err.Hint(byToken)
}

// refuseProgram refuses a program that kubemint cannot replace, with the way to a token.
func refuseProgram(op, name string, args []string) error {
	shown := name
	if !plugin.ProgramName.Matches(name) {
		shown = "a program"
	}
	err := refuse(op, "its credential comes from %s, and kubemint never runs what a kubeconfig "+
		"names", shown)
	err.Hints = program.For(name, args).Hints()
	return err.Hint(byToken)
}
