package connect

import (
	"fmt"
	"net"
	"net/http"
	"net/url"

	"k8s.io/client-go/rest"
)

// Transports send requests of others with the credential of a configuration. Nothing of an answer
// is followed, bounded or unpacked: it is handed on as it comes.
type Transports struct {
	URL     *url.URL          // of the API server
	Plain   http.RoundTripper // HTTP/2 where the server has it
	Upgrade http.RoundTripper // HTTP/1.1: a connection that is taken over, by exec and port-forward
}

// Transports makes them.
func (d Dialer) Transports(config *rest.Config) (Transports, error) {
	at, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return Transports{}, fmt.Errorf("read the server's URL: %w", err)
	}
	plain := rest.CopyConfig(config)
	plain.UserAgent = ""            // the command's own
	plain.DisableCompression = true // a compressed answer is passed on unchanged
	if plain.Dial == nil {
		plain.Dial = (&net.Dialer{}).DialContext
	}
	upgrade := rest.CopyConfig(plain)
	upgrade.NextProtos = []string{"http/1.1"}
	made := Transports{URL: at}
	if made.Plain, err = rest.TransportFor(plain); err != nil {
		return Transports{}, err //nolint:wrapcheck // callers say to whom
	}
	made.Upgrade, err = rest.TransportFor(upgrade)
	return made, err //nolint:wrapcheck // the same
}
