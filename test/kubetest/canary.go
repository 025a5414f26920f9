package kubetest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// StartCanary starts a server that nobody is to come to, as where a redirect leads. It counts connections, so that
// neither a header nor a client certificate can have arrived unseen.
func StartCanary(t *testing.T, secure bool) (address string, arrived *atomic.Int32) {
	t.Helper()
	arrived = &atomic.Int32{}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			arrived.Add(1)
		}
	}
	start := server.Start
	if secure {
		start = server.StartTLS
	}
	start()
	t.Cleanup(server.Close)
	return server.URL, arrived
}
