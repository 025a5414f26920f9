package client

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/astray"
	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/problem"
)

// explainUnreachable explains a request that was never answered by an API server.
func (c *Client) explainUnreachable(op string, err error) *problem.Error {
	p := problem.New(problem.Source, op, answer.WithoutURL(err))
	redirect, redirected := errors.AsType[*wire.RedirectError](err)
	tooLarge, bounded := errors.AsType[*wire.TooLargeError](err)
	switch {
	case answer.IsProxyFault(err):
		c.explainProxy(p, err)
	case astray.Explain(p, c.server, answer.WithoutURL(err)):
	case redirected:
		p.Cause = redirect
		p.Hint("give the address of the API server itself: a login page, a proxy or a moved server "+
			"answers at %s, and no credential is sent where it leads", c.server)
	case bounded:
		p.Cause = tooLarge
		p.Hint("see what answers at %s: no list of an API server that kubemint asks for is as large", c.server)
	case answer.IsForeign(err):
		p.Hint("check the address %s: a proxy or a login page answered, not an API server", c.server)
	default:
		c.explainConnection(p, err)
	}
	return p
}

// explainProxy explains that the proxy on the way did not connect.
func (c *Client) explainProxy(p *problem.Error, err error) {
	p.Cause = fmt.Errorf("the proxy on the way to %s does not let it through: %w", c.server, err)
	p.Hint("see whether the proxy runs and takes this runner: it is the kubeconfig's proxy-url, " +
		"or else that of HTTPS_PROXY, from which NO_PROXY takes hosts out")
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	if errors.As(err, &authority) || errors.As(err, &hostname) {
		p.Hint("an https proxy is checked by the kubeconfig's CA and tls-server-name, as kubectl does: " +
			"add the proxy's CA to certificate-authority-data, or use its http address")
	}
}

// explainConnection explains why no connection to the API server came about.
func (c *Client) explainConnection(p *problem.Error, err error) {
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	var dns *net.DNSError
	switch {
	case errors.As(err, &authority):
		p.Cause = fmt.Errorf(
			"the certificate of %s is not signed by the kubeconfig's CA: %w", c.server, authority,
		)
		p.Hint(
			"see whether certificate-authority-data is that of this cluster, and whether a proxy stands in between",
		)
	case errors.As(err, &hostname):
		p.Cause = fmt.Errorf("the certificate of %s is for another name: %w", c.server, hostname)
		p.Hint("set tls-server-name in the kubeconfig to a name of the certificate")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		p.Cause = fmt.Errorf("the certificate of %s is not valid now: %w", c.server, invalid)
		p.Hint("see whether this machine's clock is right; if it is, the certificate has to be renewed")
	case errors.As(err, &dns):
		p.Cause = fmt.Errorf("no address for %s: %w", dns.Name, err)
		p.Hint(
			"see whether the server's name is spelt right, and whether this runner can resolve it (a " +
				"private cluster?)",
		)
	case utilnet.IsConnectionRefused(err):
		p.Cause = fmt.Errorf("nothing listens at %s: %w", c.server, err)
		p.Hint("see whether the cluster runs and whether the kubeconfig names the right server; " +
			"in a container, 127.0.0.1 is the container itself")
	default:
		p.Hint("see whether %s is reachable from this runner", c.server)
	}
}
