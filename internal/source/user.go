package source

import (
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/bearer"
	"github.com/kubemint/kubemint/internal/source/certs"
	"github.com/kubemint/kubemint/internal/source/trust"
)

// prepareUser embeds the files that a user names, and replaces its plugin.
func (l *loader) prepareUser(name string, u *api.AuthInfo, c *api.Cluster) error {
	op := "use user " + name
	if err := l.embedToken(op, u); err != nil {
		return err
	}
	if err := l.embedPair(op, u); err != nil {
		return err
	}
	switch {
	case len(u.ClientCertificateData) > 0 || (len(u.ClientKeyData) > 0 && u.Token == ""):
		leaf, err := certs.CheckPair(u.ClientCertificateData, u.ClientKeyData)
		if err != nil {
			return wrapCause(op, "%w", err)
		}
		l.warnExpired("the client certificate of user "+name, leaf.NotAfter)
	case u.Token == "" && u.Username == "" && l.login == nil:
		if err := l.replacePlugin(op, u, c); err != nil {
			return err
		}
	}
	claims, _ := secret.New(u.Token).Claims() // none where it is not a JSON Web Token
	l.warnExpired("the token of user "+name, claims.ExpiresAt)
	if err := trust.CheckHeaders(op, u); err != nil {
		return err
	}
	if who := trust.DescribeImpersonation(u); who != "" {
		l.addWarning("user %s acts as %s, and so does kubemint, but not the result", name, who)
	}
	u.Exec = nil
	u.AuthProvider = nil
	return nil
}

// embedToken reads the user's token. A tokenFile takes precedence over a token, and is read again
// when it rotates, as with client-go.
func (l *loader) embedToken(op string, u *api.AuthInfo) (err error) {
	token := []byte(u.Token)
	if u.TokenFile != "" {
		u.TokenFile, token, err = l.readNamed(op, "tokenFile", u.TokenFile, u.LocationOfOrigin)
		if err != nil {
			return err
		}
	}
	u.Token = strings.TrimSpace(string(token))
	return checkToken(op, u, len(token) > 0 || u.TokenFile != "")
}

// embedPair reads the user's client certificate and its key.
func (l *loader) embedPair(op string, u *api.AuthInfo) (err error) {
	u.ClientCertificateData, err = l.embedFile(op, "client-certificate",
		u.ClientCertificate, u.ClientCertificateData, u.LocationOfOrigin)
	if err != nil {
		return err
	}
	u.ClientKeyData, err = l.embedFile(op, "client-key", u.ClientKey, u.ClientKeyData, u.LocationOfOrigin)
	u.ClientCertificate = ""
	u.ClientKey = ""
	return err
}

// checkToken refuses a token that was left out, or that cannot be sent.
func checkToken(op string, u *api.AuthInfo, given bool) error {
	if certs.Omitted([]byte(u.Token)) || u.Password == certs.Redacted {
		return refuse(op, "its token or password was left out when the kubeconfig was printed").
			Hint("%s", certs.WithoutRaw)
	}
	return bearer.CheckToken(op, u.Token, given)
}

// warnExpired explains the 401 that is about to come. It does not refuse: the clock of this machine
// may be wrong.
func (l *loader) warnExpired(what string, end time.Time) {
	if !end.IsZero() && time.Now().After(end) {
		l.addWarning("%s expired at %s", what, end.UTC().Format(time.RFC3339))
	}
}
