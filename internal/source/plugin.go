package source

import (
	"errors"
	"maps"
	"net/url"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/cloud"
)

// waysOut say, by the program or auth-provider that a kubeconfig wants to be run and that is not served in-process, why it
// cannot be and how an earlier step gets a credential. They are taken from each vendor's documentation.
var waysOut = map[string]string{
	"doctl":   "DigitalOcean: `doctl kubernetes cluster kubeconfig show NAME` prints a kubeconfig with a token",
	"oci":     "OKE: `oci ce cluster generate-token --cluster-id OCID` prints a token",
	"rancher": "Rancher: with the setting kubeconfig-generate-token, a downloaded kubeconfig holds a token",
	"tsh":     "Teleport: its proxy may refuse the ServiceAccount token that is made; use a kubeconfig of the cluster itself",
	"kubectl": "OIDC: such a login needs a person; use the token of a ServiceAccount, or `server` with the job's own ID token",
	"oidc":    "OIDC: such a login needs a person; use the token of a ServiceAccount, or `server` with the job's own ID token",
}

const byToken = "a token in the kubeconfig goes before the program: `kubectl config set-credentials USER --token=…`"

// plugin is how a user without token, certificate and password logs in: as its cloud's program would, or not at all. A user
// who has one never reaches the plugin with client-go either (Authenticator.UpdateTransportConfig in its exec package), and
// its stanza is dropped without a word.
func (l *loader) plugin(op string, u *api.AuthInfo, c *api.Cluster) error {
	server, _ := url.Parse(c.Server) // what is no URL has been refused with the cluster
	stanza := cloud.Stanza{Server: server, ReadFile: func(field, path string) ([]byte, error) {
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
	case u.AuthProvider != nil:
		stanza.Program, stanza.Config = u.AuthProvider.Name, map[string]string{}
		maps.Copy(stanza.Config, u.AuthProvider.Config)
	default:
		return fail(op, "there is no credential in it")
	}
	login, err := cloud.For(stanza, cloud.Runner{
		Getenv: l.Getenv, IDToken: l.IDToken, HTTP: l.HTTP,
		ReadFile: func(path string) ([]byte, error) { return readFile(l.Inside(path)) },
	})
	switch why, _ := errors.AsType[*problem.Error](err); {
	case why != nil:
		refused := fail(op, "its credential comes from %s: %w", stanza.Program, why.Cause)
		refused.Hints = why.Hint(byToken).Hints
		return refused
	case login == nil:
		return notServed(op, stanza.Program)
	}
	for _, note := range login.Notes {
		l.warn("%s: %s", strings.TrimPrefix(op, "use "), note)
	}
	l.login, l.secrets = login.Token, login.Secrets
	return l.release(op, login, server, u, c)
}

// notServed refuses a program that nothing is known of.
func notServed(op, program string) error {
	if !cloud.ProgramLike(program) {
		program = "a program"
	}
	err := fail(op, "its credential comes from %s, and kubemint never runs what a kubeconfig names", program)
	if way := waysOut[program]; way != "" {
		err = err.Hint("%s", way)
	}
	return err.Hint(byToken)
}
