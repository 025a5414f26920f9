package astray

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/problem"
)

// Explain gives p the real cause of a failure whose own words mislead, and a remedy. It says
// whether the failure is one of these. err is without the request's method and URL.
func Explain(p *problem.Error, server string, err error) bool {
	var noTLS tls.RecordHeaderError
	redirect, redirected := errors.AsType[*wire.RedirectError](err)
	hostname, otherName := errors.AsType[x509.HostnameError](err)
	switch {
	case redirected && redirect.Loop:
		p.Cause = redirect
		p.Hint(
			"give the address of the API server itself: a proxy at %s sends each request back to the same address, "+
				"since it waits for a login's cookie, or takes TLS for plain http",
			server,
		)
	case errors.Is(err, http.ErrSchemeMismatch):
		p.Cause = fmt.Errorf("%s speaks plain http, and not TLS: %w", server, err)
		p.Hint(
			"give the port that speaks TLS (6443 or 443 as a rule); no credential is sent over plain http",
		)
	case errors.As(err, &noTLS):
		p.Cause = fmt.Errorf("what answers at %s does not speak TLS: %w", server, err)
		p.Hint("see whether the port is the API server's, and not that of another service")
	case otherName && namesNoHost(hostname.Certificate):
		p.Cause = fmt.Errorf("the certificate of %s names no host: it has a common name alone, "+
			"which no client of Kubernetes looks at", server)
		p.Hint("have the certificate issued again with a subject alternative name, " +
			"`openssl req … -addext subjectAltName=DNS:HOST` (of an address IP:ADDRESS); tls-server-name " +
			"does not help")
	default:
		return false
	}
	return true
}

// namesNoHost says whether a certificate has no subject alternative name. Go has ignored the common
// name since 1.15.
func namesNoHost(certificate *x509.Certificate) bool {
	return certificate != nil && len(certificate.DNSNames)+len(certificate.IPAddresses) == 0
}
