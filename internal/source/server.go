package source

import (
	"net/url"
	"slices"
	"strings"
	"unicode"

	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/certs"
)

// cluster refuses what would send the credential to a stranger, and embeds the CA.
func (l *loader) cluster(name string, c *api.Cluster) error {
	op := "use cluster " + name
	if err := normalize(op, c); err != nil {
		return err
	}
	if err := l.proxied(op, name, c); err != nil {
		return err
	}
	given := len(c.CertificateAuthorityData) > 0 || c.CertificateAuthority != ""
	_, err := l.embed(op, "certificate-authority", &c.CertificateAuthority, &c.CertificateAuthorityData,
		c.LocationOfOrigin)
	switch {
	case err != nil:
		return err
	case c.InsecureSkipTLSVerify && !l.AllowInsecure:
		return fail(op, "it has insecure-skip-tls-verify, so that whoever answers would be sent the credential").
			Hint("give it certificate-authority-data instead, or accept this for source and result: " +
				"`allow_insecure: true`")
	case c.InsecureSkipTLSVerify && given:
		return fail(op, "it has both a certificate authority and insecure-skip-tls-verify").
			Hint("take one of the two out of the kubeconfig: kubectl refuses both together as well")
	case c.InsecureSkipTLSVerify:
		l.warn("cluster %s: its certificate is not verified (`allow_insecure`)", name)
	case given:
		return l.authority(op, name, c)
	}
	return nil
}

// authority keeps the certificates of the CA that can be used, and nothing else: it is published with
// the result.
func (l *loader) authority(op, name string, c *api.Cluster) error {
	bundle, err := certs.Read(c.CertificateAuthorityData)
	if err != nil {
		return unusable(op, "its certificate authority cannot be used: %w", err)
	}
	l.bundle, c.CertificateAuthorityData = bundle, bundle.PEM
	l.warnings = append(l.warnings, bundle.Warnings("cluster "+name)...)
	return nil
}

// normalize refuses an address that no credential is sent to, and writes the scheme as everybody else does.
func normalize(op string, c *api.Cluster) error {
	server, err := url.Parse(c.Server)
	switch {
	case c.Server == "":
		return fail(op, "it has no server").Hint("give it `server: https://HOST:PORT`; kubectl would ask " +
			"localhost:8080")
	case err == nil && server.Scheme == "http" && server.Host != "":
		// clientcmd sends no credential over plain http, even with allow_insecure: source and result would be
		// anonymous.
		return fail(op, "its server is a plain http:// address, and no client sends a credential over http").
			Hint("write https://: the API server speaks TLS on its port. A proxy of `kubectl proxy` is no " +
				"source, since it takes no credential")
	case err != nil || !isBare(server):
		return fail(op, "its server is not an https:// address without user, query and fragment").
			Hint("write https://HOST:PORT; see whether a variable in it was left as it is, and whether there is " +
				"a blank in it")
	case strings.ContainsFunc(server.Host, func(r rune) bool { return r > unicode.MaxASCII }):
		// "googleap\u0130s.com" is Google's in small letters, and somebody else's in DNS: no comparison of
		// names would hold.
		return fail(op, "its server's name has a letter that is not ASCII").Hint("write it as it is in DNS: xn--…")
	}
	c.Server = lowerScheme(c.Server, server.Scheme)
	return nil
}

// isBare says whether an address is https:// with a host, a port and a path, and nothing else.
func isBare(server *url.URL) bool {
	more := server.User != nil || server.RawQuery != "" || server.Fragment != ""
	return server.Scheme == "https" && server.Host != "" && !more
}

// lowerScheme writes an address with its scheme in small letters, as [url.Parse] returned it. The rest
// stays: a path is as it is, and a host is shown as its owner writes it.
func lowerScheme(address, scheme string) string { return scheme + address[len(scheme):] }

func (l *loader) proxied(op, name string, c *api.Cluster) error {
	if c.ProxyURL == "" {
		return nil
	}
	proxy, err := url.Parse(c.ProxyURL)
	if err != nil || !slices.Contains([]string{"http", "https", "socks5"}, proxy.Scheme) || proxy.Host == "" {
		return fail(op, "its proxy-url is not an http, https or socks5 address").
			Hint("write http://HOST:PORT, or take it out of the kubeconfig where HTTPS_PROXY says it already")
	}
	c.ProxyURL = lowerScheme(c.ProxyURL, proxy.Scheme)
	l.warn("cluster %s goes through the proxy %s://%s, as the kubeconfig says", name, proxy.Scheme, proxy.Host)
	return nil
}

// unusable is an error for a reason of the room certs.
func unusable(op, format string, err error) error {
	if p, isProblem := err.(*problem.Error); isProblem { //nolint:errorlint // that room returns it as it is
		return because(op, format, p)
	}
	return unreadable(op, err)
}
