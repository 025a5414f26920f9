package source

import (
	"errors"
	"maps"
	"net"
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
		_, data, err := l.follow(op, field, path, u.LocationOfOrigin)
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

const guard = "if it is yours, say which cluster is meant: `expect_cluster: sha256:…` is its CA's fingerprint"

// release refuses to send a token of the runner's cloud identity to a server that is not known to be that cloud's. Such a
// token opens more than a cluster, and whoever wrote the kubeconfig chose the server, its CA and the proxy on the way.
func (l *loader) release(op string, login *cloud.Login, server *url.URL, u *api.AuthInfo, c *api.Cluster) error {
	host, written := server.Hostname(), l.written(u.LocationOfOrigin) || l.written(c.LocationOfOrigin)
	untrusted := l.untrusted(u.LocationOfOrigin) || l.untrusted(c.LocationOfOrigin)
	known := login.Serves(host) || login.BareIP && net.ParseIP(host) != nil && !written
	whole := l.ExpectFingerprint != "" // the other end is known by its CA, whatever stands between
	guarded := whole || l.ExpectServer != ""
	switch {
	case c.InsecureSkipTLSVerify:
		return fail(op, "a token for %s is not sent to a server whose certificate is not verified", login.Cloud).
			Hint("give the cluster its certificate-authority-data, and leave insecure-skip-tls-verify out")
	case c.ProxyURL != "" && untrusted && !whole:
		return fail(op, "a token for %s would go through a proxy that a kubeconfig names which a pull request may have written",
			login.Cloud).Hint(guard)
	case login.Unusual != "" && untrusted && !guarded:
		return fail(op, "it asks for %s, in a kubeconfig which a pull request may have written", login.Unusual).Hint(guard)
	case !known && !guarded:
		err := fail(op, "a token for %s would go to %s, which is not known to be a server of %s", login.Cloud, host, login.Cloud)
		if written && login.BareIP && net.ParseIP(host) != nil {
			err = fail(op, "a token for %s would go to %s, an address in a kubeconfig of the workspace, which a pull request may have written",
				login.Cloud, host)
		}
		return err.Hint(guard + ", or give its URL")
	}
	return nil
}
