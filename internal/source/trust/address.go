package trust

import (
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// NormalizeServer returns the address of an API server with its scheme in lower case. It refuses an
// address that no credential may be sent to.
func NormalizeServer(op, address string) (string, error) {
	server, err := url.Parse(address)
	switch {
	case address == "":
		return "", refuse(op, "it has no server").
			Hint("give it `server: https://HOST:PORT`; kubectl would ask localhost:8080")
	case err == nil && server.Scheme == "http" && server.Host != "":
		// clientcmd sends no credential over plain http, even with allow_insecure: source and
		// result would be anonymous.
		return "", refuse(op, "its server is a plain http:// address, and no client sends a "+
			"credential over http").
			Hint("write https://: the API server speaks TLS on its port. A proxy of `kubectl " +
				"proxy` cannot be a source, since it takes no credential")
	case err != nil || !isBare(server):
		return "", refuse(op, "its server is not an https:// address without user, query and "+
			"fragment").
			Hint("write https://HOST:PORT; see whether a variable in it was not replaced, and " +
				"whether there is a blank in it")
	case strings.ContainsFunc(server.Host, func(r rune) bool { return r > unicode.MaxASCII }):
		// "googleap\u0130s.com" is Google's in lower case, and somebody else's in DNS: comparing
		// names would not be safe.
		return "", refuse(op, "its server's name has a letter that is not ASCII").
			Hint("write it as in DNS: xn--…")
	}
	return lowerScheme(address, server.Scheme), nil
}

// Proxy is the proxy of a cluster entry.
type Proxy struct {
	Text  string // may hold a password
	Shown string // may be shown
}

// NormalizeProxy refuses a proxy-url that is not the address of a proxy.
func NormalizeProxy(op, address string) (Proxy, error) {
	proxy, err := url.Parse(address)
	schemes := []string{"http", "https", "socks5"}
	if err != nil || !slices.Contains(schemes, proxy.Scheme) || proxy.Host == "" {
		return Proxy{}, refuse(op, "its proxy-url is not an http, https or socks5 address").
			Hint("write http://HOST:PORT, or take it out of the kubeconfig where HTTPS_PROXY " +
				"says it already")
	}
	return Proxy{
		Text: lowerScheme(address, proxy.Scheme), Shown: proxy.Scheme + "://" + proxy.Host,
	}, nil
}

// isBare reports whether an address is https:// with a host, a port and a path, and nothing else.
func isBare(server *url.URL) bool {
	more := server.User != nil || server.RawQuery != "" || server.Fragment != ""
	return server.Scheme == "https" && server.Host != "" && !more
}

// lowerScheme returns an address with the scheme that [url.Parse] returned, which is in lower case.
// The rest stays: a host is shown as its owner writes it.
func lowerScheme(address, scheme string) string { return scheme + address[len(scheme):] }
