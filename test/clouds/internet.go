package clouds

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kubemint/kubemint/test/kubetest"
)

// Internet is all that a process reaches that has the variables of Env: proxies on loopback, which lead to the handlers
// and addresses that the test has named, and nowhere else. What the process asked for is remembered.
//
// It holds for programs of Go on Linux, whose proxy and system roots are those variables. Such a program never takes a
// proxy to localhost and 127.0.0.0/8, so a test may serve there what is not to be on this Internet.
type Internet struct {
	authority *kubetest.Authority
	file      string // of the CA
	proxies   map[string]*proxy
	inside    *inside // connections to the hosts that Serve has named
	ended     context.Context
	running   sync.WaitGroup // connections that are led through

	mu      sync.Mutex
	served  map[string]http.Handler
	routes  map[string]string
	leaves  map[string]*tls.Certificate
	login   *url.Userinfo
	asked   []string
	refused []string
}

// NewInternet makes one that is empty and ends with the test.
func NewInternet(t testing.TB) *Internet {
	t.Helper()
	authority, err := kubetest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, authority.PEM, 0o600); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(context.WithoutCancel(t.Context()))
	n := &Internet{
		authority: authority, file: file, ended: ended, inside: &inside{ended: ended, arrived: make(chan net.Conn)},
		served: map[string]http.Handler{}, routes: map[string]string{}, leaves: map[string]*tls.Certificate{},
	}
	hosts := httptest.NewUnstartedServer(http.HandlerFunc(n.answer))
	_ = hosts.Listener.Close() // the one that it took
	hosts.Listener, hosts.EnableHTTP2 = n.inside, true
	hosts.TLS = &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: n.greet}
	hosts.Config.ErrorLog = quiet()
	hosts.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, hostKey{}, c.(*tls.Conn).NetConn().(connected).host)
	}
	hosts.StartTLS()
	n.startProxies(t)
	t.Cleanup(func() {
		end()
		for _, p := range n.proxies {
			p.close()
		}
		hosts.CloseClientConnections() // one whose handler is held must not hold the test
		hosts.Close()
		n.running.Wait()
	})
	return n
}

// Env has the process take this Internet for the world: whatever it asks goes through the http proxy, and its system
// roots are the Internet's own CA.
func (n *Internet) Env() []string {
	proxy := n.ProxyURL("http")
	return []string{
		"HTTPS_PROXY=" + proxy, "https_proxy=" + proxy, "HTTP_PROXY=" + proxy, "http_proxy=" + proxy, "NO_PROXY=", "no_proxy=",
		"SSL_CERT_FILE=" + n.file, "SSL_CERT_DIR=" + filepath.Dir(n.file), // else the machine's own roots are trusted too
	}
}

// CA is the certificate that signs those of all hosts, and of the https proxy, as PEM.
func (n *Internet) CA() []byte { return n.authority.PEM }

// Trust adds certificates to the system roots of processes that start afterwards, as of a server that the public trusts.
func (n *Internet) Trust(t testing.TB, certificates []byte) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	roots, err := os.ReadFile(n.file)
	if err == nil {
		err = os.WriteFile(n.file, append(roots, certificates...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Serve has a handler answer https://host and http://host. Each request's Host is that host.
func (n *Internet) Serve(host string, handler http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.served[strings.ToLower(host)] = handler
}

// Route leads connections to any port of a host to a TCP address, with what is said there untouched.
func (n *Internet) Route(host, address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.routes[strings.ToLower(host)] = address
}

// Asked lists the requests, in order: "CONNECT host:port" for a connection that was passed on or refused, and for a host
// that is served here each request without its query, as "POST https://host/path".
func (n *Internet) Asked() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.asked)
}

// Refused lists those of Asked that nobody here serves: they were answered 502, or by SOCKS with "not allowed by ruleset".
func (n *Internet) Refused() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.refused)
}

// Client asks through the http proxy and trusts the Internet's CA, as the process under test does.
func (n *Internet) Client(t testing.TB) *http.Client {
	t.Helper()
	proxy, err := url.Parse(n.ProxyURL("http"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(n.CA())
	transport := &http.Transport{
		Proxy: http.ProxyURL(proxy), ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// find says who is a host: a handler, or an address.
func (n *Internet) find(host string) (handler http.Handler, address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	host = strings.ToLower(host)
	return n.served[host], n.routes[host]
}

func (n *Internet) remember(what string, refused bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, what)
	if refused {
		n.refused = append(n.refused, what)
	}
}

// errNobody is the answer for a host that is not on this Internet.
var errNobody = errors.New("nobody serves that on this Internet")

// reach connects to a host and port.
func (n *Internet) reach(target string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	handler, address := n.find(host)
	switch {
	case address != "":
		n.remember(http.MethodConnect+" "+target, false)
		return (&net.Dialer{}).DialContext(n.ended, "tcp", address)
	case handler != nil && port == "443": // what is asked inside is remembered there
		near, far := net.Pipe()
		select {
		case n.inside.arrived <- connected{Conn: far, host: host}:
			return near, nil
		case <-n.ended.Done():
			return nil, n.ended.Err()
		}
	}
	n.remember(http.MethodConnect+" "+target, true)
	return nil, errNobody
}

// answer serves what is asked inside of a connection to a host of Serve.
func (n *Internet) answer(w http.ResponseWriter, r *http.Request) {
	host, _ := r.Context().Value(hostKey{}).(string)
	n.remember(r.Method+" https://"+host+r.URL.EscapedPath(), false)
	handler, _ := n.find(host)
	if handler == nil || !strings.EqualFold(strings.TrimSuffix(r.Host, ":443"), host) {
		http.Error(w, fmt.Sprintf("a request for %s in a connection to %s", r.Host, host), http.StatusMisdirectedRequest)
		return
	}
	handler.ServeHTTP(w, r)
}

// greet makes the certificate of the host that the connection was made to, whatever name TLS was told.
func (n *Internet) greet(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	leaf, err := n.leaf(hello.Conn.(connected).host)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{*leaf}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12}, nil
}

func (n *Internet) leaf(host string) (*tls.Certificate, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if leaf := n.leaves[host]; leaf != nil {
		return leaf, nil
	}
	certificate, key, err := n.authority.Server(host)
	if err != nil {
		return nil, err
	}
	leaf, err := tls.X509KeyPair(certificate, key)
	n.leaves[host] = &leaf
	return &leaf, err
}

// inside listens for connections that were made through a proxy.
type inside struct {
	ended   context.Context
	arrived chan net.Conn
}

func (i *inside) Accept() (net.Conn, error) {
	select {
	case c := <-i.arrived:
		return c, nil
	case <-i.ended.Done():
		return nil, net.ErrClosed
	}
}
func (i *inside) Close() error   { return nil }
func (i *inside) Addr() net.Addr { return &net.TCPAddr{} }

// connected is the host's end of a connection.
type connected struct {
	net.Conn
	host string
}

type hostKey struct{}

// quiet is for servers whose clients are killed, or refuse a certificate on purpose.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
