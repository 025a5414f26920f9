package clouds

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy is one way into the Internet.
type proxy struct {
	address string
	count   atomic.Int32
	close   func()
}

// ProxyURL is the address of the http, the https or the socks5 proxy, with the login where one is required: what the
// variable HTTPS_PROXY or a kubeconfig's proxy-url holds. The https one has a certificate of the Internet's CA.
func (n *Internet) ProxyURL(scheme string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	u := url.URL{Scheme: scheme, User: n.login, Host: n.proxies[scheme].address}
	return u.String()
}

// Connections is how many connections one of the proxies has had, those included that it turned away.
func (n *Internet) Connections(scheme string) int { return int(n.proxies[scheme].count.Load()) }

// RequireLogin has all proxies turn away who does not log in with this name and password.
func (n *Internet) RequireLogin(user, password string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.login = url.UserPassword(user, password)
}

// welcome says whether a login is right.
func (n *Internet) welcome(user, password string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.login == nil || url.UserPassword(user, password).String() == n.login.String()
}

func (n *Internet) startProxies(t testing.TB) {
	t.Helper()
	leaf, err := n.leaf("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	n.proxies = map[string]*proxy{}
	for _, scheme := range []string{"http", "https"} {
		p := &proxy{}
		server := httptest.NewUnstartedServer(http.HandlerFunc(n.forward))
		server.Config.ErrorLog = quiet()
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				p.count.Add(1)
			}
		}
		if scheme == "https" {
			server.TLS = &tls.Config{Certificates: []tls.Certificate{*leaf}, MinVersion: tls.VersionTLS12}
			server.StartTLS()
		} else {
			server.Start()
		}
		p.address = server.Listener.Addr().String()
		p.close = func() { server.CloseClientConnections(); server.Close() }
		n.proxies[scheme] = p
	}
	listener, err := (&net.ListenConfig{}).Listen(n.ended, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: listener.Addr().String(), close: func() { _ = listener.Close() }}
	n.proxies["socks5"] = p
	n.running.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			p.count.Add(1)
			n.running.Go(func() {
				defer c.Close()
				defer context.AfterFunc(n.ended, func() { _ = c.Close() })()
				_ = n.socks(c) // a client that breaks off has its reasons
			})
		}
	})
}

// forward is a proxy of HTTP: CONNECT for https, and requests with a whole URL for http.
func (n *Internet) forward(w http.ResponseWriter, r *http.Request) {
	login := http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	user, password, _ := login.BasicAuth()
	r.Header.Del("Proxy-Authorization")
	if !n.welcome(user, password) {
		w.Header().Set("Proxy-Authenticate", `Basic realm="internet"`)
		http.Error(w, "log in", http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		what := url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: r.URL.Path, RawPath: r.URL.RawPath}
		handler, _ := n.find(r.URL.Hostname())
		stranger := handler == nil || r.URL.Scheme != "http"
		n.remember(r.Method+" "+what.String(), stranger)
		if stranger {
			http.Error(w, errNobody.Error(), http.StatusBadGateway)
			return
		}
		handler.ServeHTTP(w, r)
		return
	}
	far, err := n.reach(r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	n.running.Add(1) // before the server forgets the connection
	defer n.running.Done()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = far.Close()
		return
	}
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_, _ = near.Close(), far.Close()
		return
	}
	n.join(bufferedConn{near, buffered.Reader}, far)
}

// join copies both ways until either side has ended, or the test.
func (n *Internet) join(near, far net.Conn) {
	end := func() { _, _ = near.Close(), far.Close() }
	defer context.AfterFunc(n.ended, end)()
	var both sync.WaitGroup
	both.Go(func() { defer end(); _, _ = io.Copy(near, far) })
	both.Go(func() { defer end(); _, _ = io.Copy(far, near) })
	both.Wait()
}

// bufferedConn is a connection that may have been read from already.
type bufferedConn struct {
	net.Conn
	reader *bufio.Reader
}

func (c bufferedConn) Read(p []byte) (int, error) { return c.reader.Read(p) }

// Of RFC 1928 and RFC 1929.
const (
	socksVersion, socksLoginVersion = 5, 1
	socksNoLogin, socksLogin        = 0, 2
	socksNoMethod                   = 0xff
	socksConnect                    = 1
	socksIPv4, socksName, socksIPv6 = 1, 3, 4
	socksDone, socksNotAllowed      = 0, 2
	socksUnsupported                = 7
)

// socks is a proxy of SOCKS 5, with the command CONNECT, without a login or with a name and a password.
func (n *Internet) socks(c net.Conn) error {
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil || head[0] != socksVersion {
		return errors.Join(err, fmt.Errorf("SOCKS version %d", head[0]))
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(c, methods); err != nil {
		return err
	}
	if err := n.socksLogin(c, methods); err != nil {
		return err
	}
	request := make([]byte, 4)
	if _, err := io.ReadFull(c, request); err != nil {
		return err
	}
	target, err := socksTarget(c, request[3])
	if err != nil {
		return err
	}
	reply := func(code byte) error { // with an address that nobody reads
		_, err := c.Write([]byte{socksVersion, code, 0, socksIPv4, 0, 0, 0, 0, 0, 0})
		return err
	}
	if request[0] != socksVersion || request[1] != socksConnect {
		return reply(socksUnsupported)
	}
	far, err := n.reach(target)
	if err != nil {
		return reply(socksNotAllowed)
	}
	if err := reply(socksDone); err != nil {
		return errors.Join(err, far.Close())
	}
	n.join(c, far)
	return nil
}

func (n *Internet) socksLogin(c net.Conn, methods []byte) error {
	method := byte(socksNoLogin)
	if !n.welcome("", "") {
		method = socksLogin
	}
	if !bytes.Contains(methods, []byte{method}) {
		_, err := c.Write([]byte{socksVersion, socksNoMethod})
		return errors.Join(err, errors.New("no method in common"))
	}
	if _, err := c.Write([]byte{socksVersion, method}); err != nil || method == socksNoLogin {
		return err
	}
	version := make([]byte, 1)
	if _, err := io.ReadFull(c, version); err != nil || version[0] != socksLoginVersion {
		return errors.Join(err, fmt.Errorf("login version %d", version[0]))
	}
	user, err := socksString(c)
	if err != nil {
		return err
	}
	password, err := socksString(c)
	if err != nil {
		return err
	}
	if !n.welcome(user, password) {
		_, err := c.Write([]byte{socksLoginVersion, 1})
		return errors.Join(err, errors.New("wrong login"))
	}
	_, err = c.Write([]byte{socksLoginVersion, 0})
	return err
}

// socksString reads a text with its length before it.
func socksString(c net.Conn) (string, error) {
	length := make([]byte, 1)
	if _, err := io.ReadFull(c, length); err != nil {
		return "", err
	}
	text := make([]byte, length[0])
	_, err := io.ReadFull(c, text)
	return string(text), err
}

// socksTarget reads an address and a port.
func socksTarget(c net.Conn, kind byte) (string, error) {
	var host string
	switch kind {
	case socksName:
		name, err := socksString(c)
		if err != nil {
			return "", err
		}
		host = name
	case socksIPv4, socksIPv6:
		ip := make(net.IP, map[byte]int{socksIPv4: net.IPv4len, socksIPv6: net.IPv6len}[kind])
		if _, err := io.ReadFull(c, ip); err != nil {
			return "", err
		}
		host = ip.String()
	default:
		return "", fmt.Errorf("address type %d", kind)
	}
	port := make([]byte, 2)
	if _, err := io.ReadFull(c, port); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port[0])<<8|int(port[1]))), nil
}
