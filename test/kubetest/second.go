package kubetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Second is another API server of a control plane: on the same etcd, with the same CA and the same keys for the tokens of
// ServiceAccounts. What it knows of RBAC it learns by watches of its own.
type Second struct {
	URL string

	held sync.RWMutex
}

// Hold keeps from this server what etcd says of Roles and RoleBindings, the events of its watches too, until Release: it
// decides by those that it knows. (A new token it takes at once, since it asks etcd for the Secret that it is bound to.)
func (s *Second) Hold() { s.held.Lock() }

// Release ends Hold.
func (s *Second) Release() { s.held.Unlock() }

// StartSecond adds an API server that ends with the control plane. What it and etcd say to each other passes through this
// process.
func (c *ControlPlane) StartSecond(t testing.TB) *Second {
	t.Helper()
	s := &Second{}
	etcd, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", c.path("etcd-second.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = etcd.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	go balance(etcd, func() (net.Conn, error) {
		far, err := (&net.Dialer{}).DialContext(context.WithoutCancel(ctx), "unix", c.etcdSocket())
		return &toEtcd{Conn: far, held: &s.held}, err
	})
	for attempt := 1; ; attempt++ {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		s.URL = fmt.Sprintf("https://127.0.0.1:%d", port)
		flags := override(c.apiServerArgs(port), []string{"--etcd-servers=unix://" + etcd.Addr().String()})
		if _, err := c.run(ctx, "kube-apiserver", flags); err != nil {
			t.Fatal(err)
		}
		config := c.AdminConfig()
		config.Host = s.URL
		admin, err := newClient(config)
		if err != nil {
			t.Fatal(err)
		}
		err = c.await(ctx, "the second kube-apiserver", func(ctx context.Context) error {
			return admin.Do(ctx, http.MethodGet, "/readyz", nil, nil)
		})
		if err == nil {
			return s
		}
		if attempt == 5 || !portTaken(err) {
			t.Fatal(err)
		}
		c.parts = c.parts[:len(c.parts)-1] // without the one that died
	}
}

// toEtcd is a connection of an API server to etcd. It has one for each resource.
type toEtcd struct {
	net.Conn

	held *sync.RWMutex
	rbac atomic.Bool // it is of a resource that Hold is about
}

func (e *toEtcd) Write(data []byte) (int, error) {
	if bytes.Contains(data, []byte("/registry/roles/")) || bytes.Contains(data, []byte("/registry/rolebindings/")) {
		e.rbac.Store(true)
	}
	return e.Conn.Write(data)
}

func (e *toEtcd) Read(data []byte) (int, error) {
	n, err := e.Conn.Read(data)
	if e.rbac.Load() {
		e.held.RLock()
		defer e.held.RUnlock()
	}
	return n, err
}

// Balancer sits in front of API servers like a cloud's load balancer: each TCP connection goes to the next of them. It
// cannot look inside, since TLS runs between the two ends.
type Balancer struct {
	URL string

	accepted atomic.Int32
}

// Accepted is how many connections were made.
func (b *Balancer) Accepted() int { return int(b.accepted.Load()) }

// NewBalancer starts a balancer that ends with the test. The connections go to servers, which are URLs, in this order,
// again and again.
func NewBalancer(t testing.TB, servers ...string) *Balancer {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	b := &Balancer{URL: "https://" + listener.Addr().String()}
	ctx := t.Context()
	go balance(listener, func() (net.Conn, error) {
		server := servers[int(b.accepted.Add(1)-1)%len(servers)]
		return (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(server, "https://"))
	})
	return b
}

// balance passes on what is said on each connection to the far one that next opens for it, in the order in which they come.
func balance(listener net.Listener, next func() (net.Conn, error)) {
	for {
		near, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		far, err := next()
		if err != nil {
			_ = near.Close()
			continue
		}
		go join(near, far)
	}
}

func join(near, far net.Conn) {
	defer near.Close()
	defer far.Close()
	go func() {
		_, _ = io.Copy(far, near)
		if half, ok := far.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	_, _ = io.Copy(near, far)
}
