package bearer

import (
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/internal/source/certs"
)

// FitsHeader reports whether a token can be sent in an HTTP header: it is one line of ASCII.
func FitsHeader(token string) bool {
	return token != "" && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// CheckToken refuses a token that cannot be sent, or that is not a token. given is true even for an
// empty token, if a field or a file for it exists.
func CheckToken(op, token string, given bool) error {
	switch {
	case token != "" && strings.Trim(token, "*") == "":
		return refuse(op, "its token is masked: somebody copied it out of a log").
			Hint("write the kubeconfig again: `kubectl config view --raw --minify --flatten`")
	case strings.HasPrefix(token, "Bearer "):
		return refuse(op, "its token begins with the word Bearer").
			Hint("leave the word out: a client adds it")
	case given && token == "":
		return refuse(op, "its token is not one line of ASCII: it is empty").
			Hint("see whether the step that writes the token has run, and whether its variable " +
				"was set")
	case given && !FitsHeader(token):
		return refuse(op, "its token is not one line of ASCII").
			Hint("see whether something was pasted along with it: a line break, a quote, a " +
				"letter of another alphabet")
	}
	return nil
}

// refreshIt is the remedy where kubectl would ask the identity provider for another ID token, and
// write it into the kubeconfig (client-go 0.37, plugin/pkg/client/auth/oidc).
const refreshIt = "run any kubectl command with this kubeconfig in an earlier step: it " +
	"refreshes the id-token, and writes it into the file"

// CheckIDToken refuses the ID token of the auth-provider oidc that kubectl would not use either.
func CheckIDToken(op, given string) error {
	claims, err := secret.New(given).Claims()
	switch {
	case given == "":
		return refuse(op, "its auth-provider oidc has no id-token").Hint(refreshIt)
	case certs.Omitted([]byte(given)):
		return refuse(
			op, "its id-token was left out when the kubeconfig was printed",
		).Hint("%s", certs.WithoutRaw)
	case err != nil || !FitsHeader(given):
		return refuse(op, "the id-token of its auth-provider oidc is not a JSON Web Token").Hint(refreshIt)
	case claims.ExpiresAt.IsZero():
		return refuse(op, "the id-token of its auth-provider oidc does not say when it expires: "+
			"kubectl treats it as expired").Hint(refreshIt)
	case !time.Now().Before(claims.ExpiresAt):
		return refuse(op, "the id-token of its auth-provider oidc expired at %s, and kubemint "+
			"refreshes none",
			claims.ExpiresAt.UTC().Format(time.RFC3339)).Hint(refreshIt)
	}
	return nil
}

func refuse(op, format string, args ...any) *problem.Error {
	return problem.Newf(problem.Source, op, format, args...)
}
