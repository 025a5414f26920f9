package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/problem"
)

// commonName is a certificate as `openssl req -x509 -subj /CN=127.0.0.1` makes it, and its key.
func commonName(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// The real cause is said, and a remedy that helps against it.
func TestExplain_AnswersThatLeadAstray(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{Certificates: []tls.Certificate{commonName(t)}, MinVersion: tls.VersionTLS12}
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.StartTLS()
	t.Cleanup(old.Close)
	oldCA := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: old.Certificate().Raw})
	loop := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		http.Redirect(w, r, "https://"+r.Host+r.URL.RequestURI(), http.StatusFound)
	})
	around := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) { http.Redirect(w, r, "/login", http.StatusFound) })
	for name, c := range map[string]struct {
		config *rest.Config
		cause  string
		remedy string
	}{
		"plain http on the port": {
			&rest.Config{Host: strings.Replace(plain.URL, "http:", "https:", 1), Dial: (&net.Dialer{}).DialContext},
			" speaks plain http, and not TLS: http: server gave HTTP response to HTTPS client", "give the port that speaks TLS",
		},
		"another protocol on the port": {
			&rest.Config{Host: "https://" + greeter(t), Dial: (&net.Dialer{}).DialContext},
			" does not speak TLS: tls: ", "not that of another service",
		},
		"a common name alone": {
			&rest.Config{Host: old.URL, TLSClientConfig: rest.TLSClientConfig{CAData: oldCA}, Dial: (&net.Dialer{}).DialContext},
			"names no host: it has a common name alone", "-addext subjectAltName=",
		},
		"a redirect to itself":       {loop.config(), "the answer is a redirect (302 Found) to the same address, a loop", "it waits for a login's cookie"},
		"a redirect within a server": {around.config(), `to "` + around.URL + `", which is not followed`, "a login page, a proxy or a moved server"},
	} {
		err := connect(t, c.config).Get(t.Context(), object("Namespace", "", "shop"))
		got := explained(t, connect(t, c.config).Explain(problem.Mint, "read Namespace shop", err))
		if !strings.HasPrefix(got, "exit 3: read Namespace shop: ") || !strings.Contains(got, c.cause) || !strings.Contains(got, c.remedy) {
			t.Errorf("%s: %s", name, got)
		}
		if name == "a common name alone" && strings.Contains(got, "set tls-server-name") {
			t.Errorf("the remedy does not help: %s", got)
		}
	}
}

// greeter is a server that speaks first, as SSH does.
func greeter(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(connection, "SSH-2.0-OpenSSH_9.2p1\r\n")
			_ = connection.Close()
		}
	}()
	return listener.Addr().String()
}

func TestExplain_StatusWithoutAMessage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status metav1.Status
		want   string
	}{
		"a reason":       {metav1.Status{Code: 422, Reason: metav1.StatusReasonInvalid}, `the API server gives no message, but the reason "Invalid" (422)`},
		"a code alone":   {metav1.Status{Code: 418}, `the API server gives no message, but the reason "I'm a teapot" (418)`},
		"blanks":         {metav1.Status{Code: 409, Reason: metav1.StatusReasonConflict, Message: " \n"}, `the reason "Conflict" (409)`},
		"a message":      {metav1.Status{Code: 409, Reason: metav1.StatusReasonConflict, Message: "it is there"}, `: it is there; `},
		"no such reason": {metav1.Status{Code: 403, Reason: metav1.StatusReasonForbidden}, `the reason "Forbidden" (403)`},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { refuse(w, c.status) })
		client := connect(t, s.config())
		err := client.Create(t.Context(), object("Namespace", "", "shop"))
		if got := explained(t, client.Explain(problem.Mint, "make Namespace shop", err)); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A proxy that does not speak TLS is not the API server's fault.
func TestExplain_ProxyThatSpeaksPlainHTTP(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	proxy, err := url.Parse(strings.Replace(plain.URL, "http://", "https://", 1))
	if err != nil {
		t.Fatal(err)
	}
	client := connect(t, &rest.Config{Host: "https://api.example.test", Proxy: http.ProxyURL(proxy)})
	said := client.Explain(problem.Mint, "read x", client.Get(t.Context(), object("Role", "shop", "x"))).Error()
	if strings.Contains(said, "https://api.example.test does not speak TLS") || !strings.Contains(said, "proxy") {
		t.Error(said)
	}
}
