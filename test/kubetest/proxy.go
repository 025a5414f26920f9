package kubetest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
)

// Proxy sits in front of the API server, with a certificate of its own. A test can do anything with each request: answer it,
// hold it, change it, see what else happens before or after it.
type Proxy struct {
	server   *httptest.Server
	seen     atomic.Int32
	stranger atomic.Pointer[tls.Config] // another's certificate, once it shows that
}

// Between decides about a request. Requests are numbered from 1 on as they arrive; next is the API server.
type Between func(number int, w http.ResponseWriter, r *http.Request, next http.Handler)

// NewProxy starts a proxy that ends with the test.
func NewProxy(t testing.TB, cluster *ControlPlane, between Between) *Proxy {
	t.Helper()
	return newProxy(t, cluster, nil, between)
}

// newProxy starts one that shows this chain of certificates, or one of its own where that is nil.
func newProxy(t testing.TB, cluster *ControlPlane, chain []tls.Certificate, between Between) *Proxy {
	t.Helper()
	if chain == nil {
		own, err := selfSigned()
		if err != nil {
			t.Fatal(err)
		}
		chain = []tls.Certificate{own}
	}
	target, err := url.Parse(cluster.URL)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cluster.CA)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}
	next := httputil.NewSingleHostReverseProxy(target)
	next.Transport = transport
	next.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) } // the client is gone

	p := &Proxy{}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		between(int(p.seen.Add(1)), w, r, next)
	}))
	p.server.EnableHTTP2 = true
	p.server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, lineKey{}, line{p, conn.(*tls.Conn)}) //nolint:forcetypeassert // of StartTLS
	}
	p.server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: chain, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return p.stranger.Load(), nil // nil is the usual one
	}}
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that is killed does not close its connection
	p.server.StartTLS()
	t.Cleanup(func() {
		p.server.CloseClientConnections() // one that is held must not hold the test
		p.server.Close()
		transport.CloseIdleConnections()
	})
	return p
}

// Seen is how many requests have arrived.
func (p *Proxy) Seen() int { return int(p.seen.Load()) }

// Recover ends what a fault has done to the proxy itself.
func (p *Proxy) Recover() { p.stranger.Store(nil) }

// URL is where the proxy listens.
func (p *Proxy) URL() string { return p.server.URL }

// Certificates are those that the proxy shows, PEM.
func (p *Proxy) Certificates() (bundle []byte) {
	for _, certificate := range p.server.TLS.Certificates[0].Certificate {
		bundle = append(bundle, encode("CERTIFICATE", certificate)...)
	}
	return bundle
}

// Kubeconfig leads the credential of a kubeconfig through the proxy. It has to be a token: a client certificate would
// end here.
func (p *Proxy) Kubeconfig(content []byte) ([]byte, error) {
	config, err := clientcmd.Load(content)
	if err != nil {
		return nil, err
	}
	for _, cluster := range config.Clusters {
		cluster.Server = p.server.URL
		cluster.CertificateAuthorityData = p.Certificates()
	}
	return clientcmd.Write(*config)
}

// AdminTokenKubeconfig is the credential of an administrator by a token: a new ServiceAccount that may do everything.
func (c *ControlPlane) AdminTokenKubeconfig(ctx context.Context) ([]byte, error) {
	namespace, err := c.CreateNamespace(ctx, "admin-")
	if err != nil {
		return nil, err
	}
	account := metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "admin"}}
	if err := c.Admin.Do(ctx, http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts", account, nil); err != nil {
		return nil, err
	}
	binding := rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: namespace},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "admin"}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
	}
	if err := c.Admin.Do(ctx, http.MethodPost, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding, nil); err != nil {
		return nil, err
	}
	return c.TokenKubeconfig(ctx, namespace, "admin", time.Hour)
}
