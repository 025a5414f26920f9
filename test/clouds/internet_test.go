package clouds

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func echo(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, r.Proto, " ", r.Method, " ", r.Host, r.URL.RequestURI(), r.Header.Get("Proxy-Authorization"))
}

// get asks and returns what was answered, or the error.
func get(t *testing.T, client *http.Client, address string) string {
	t.Helper()
	response, err := client.Get(address)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprint(response.StatusCode, " ", strings.TrimSpace(string(body)))
}

func TestInternetIsWhatTheTestHasNamed(t *testing.T) {
	t.Parallel()
	n := NewInternet(t)
	n.Serve("STS.eu-west-1.amazonaws.com", http.HandlerFunc(echo))
	n.Serve("169.254.169.254", http.HandlerFunc(echo))
	elsewhere := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	elsewhere.Config.ErrorLog = quiet() // its certificate is refused below
	elsewhere.StartTLS()
	t.Cleanup(elsewhere.Close)
	n.Route("api.cluster.example", elsewhere.Listener.Addr().String())
	client := n.Client(t)
	for _, tc := range []struct{ address, want string }{
		{"https://sts.eu-west-1.amazonaws.com/a%2Fb?secret=1", "200 HTTP/2.0 GET sts.eu-west-1.amazonaws.com/a%2Fb?secret=1"},
		{"http://169.254.169.254/metadata/identity?secret=1", "200 HTTP/1.1 GET 169.254.169.254/metadata/identity?secret=1"},
		{"https://169.254.169.254/", "200 HTTP/2.0 GET 169.254.169.254/"}, // a certificate for an address
		{"https://sts.us-east-1.amazonaws.com/", `Get "https://sts.us-east-1.amazonaws.com/": Bad Gateway`},
		{"https://sts.eu-west-1.amazonaws.com:8443/", `Get "https://sts.eu-west-1.amazonaws.com:8443/": Bad Gateway`},
		{"http://metadata.google.internal/x?secret=1", "502 " + errNobody.Error()},
		// What is led on has the certificate of whoever is there.
		{"https://api.cluster.example:6443/", `Get "https://api.cluster.example:6443/": tls: failed to verify certificate: x509: certificate is valid for example.com, *.example.com, not api.cluster.example`},
	} {
		if have := get(t, client, tc.address); have != tc.want {
			t.Errorf("%s: %s\nnot %s", tc.address, have, tc.want)
		}
	}
	if diff := cmp.Diff([]string{
		"GET https://sts.eu-west-1.amazonaws.com/a%2Fb", "GET http://169.254.169.254/metadata/identity", "GET https://169.254.169.254/",
		"CONNECT sts.us-east-1.amazonaws.com:443", "CONNECT sts.eu-west-1.amazonaws.com:8443", "GET http://metadata.google.internal/x",
		"CONNECT api.cluster.example:6443",
	}, n.Asked()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"CONNECT sts.us-east-1.amazonaws.com:443", "CONNECT sts.eu-west-1.amazonaws.com:8443", "GET http://metadata.google.internal/x",
	}, n.Refused()); diff != "" {
		t.Error(diff)
	}
}

func TestRequestForAnotherHostInAConnectionIsMisdirected(t *testing.T) {
	t.Parallel()
	n := NewInternet(t)
	n.Serve("a.example", http.HandlerFunc(echo))
	n.Serve("b.example", http.HandlerFunc(echo))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://a.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "b.example"
	response, err := n.Client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusMisdirectedRequest {
		t.Error(response.Status)
	}
}

// Each proxy, as Go's own client speaks to it.
func TestProxies(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"http", "https", "socks5"} {
		for _, tc := range []struct {
			name     string
			required bool
			login    *url.Userinfo // in the place of the right one
			want     string
		}{
			{name: "without login", want: "200 HTTP/2.0 GET a.example/x"},
			{name: "with the login", required: true, want: "200 HTTP/2.0 GET a.example/x"},
			{name: "with a wrong password", required: true, login: url.UserPassword("ci", "wrong"), want: map[string]string{
				"http": "Proxy Authentication Required", "https": "Proxy Authentication Required", "socks5": "username/password authentication failed",
			}[scheme]},
			{name: "without the login", required: true, login: &url.Userinfo{}, want: map[string]string{
				"http": "Proxy Authentication Required", "https": "Proxy Authentication Required", "socks5": "no acceptable authentication methods",
			}[scheme]},
		} {
			t.Run(scheme+" "+tc.name, func(t *testing.T) {
				t.Parallel()
				n := NewInternet(t)
				n.Serve("a.example", http.HandlerFunc(echo))
				if tc.required {
					n.RequireLogin("ci", "p@ss:word")
				}
				client := through(t, n, scheme, tc.login)
				if have := get(t, client, "https://a.example/x"); !strings.HasSuffix(have, tc.want) {
					t.Errorf("%s\nnot %s", have, tc.want)
				}
				var asked []string
				if tc.login == nil {
					asked = []string{"GET https://a.example/x"}
					if have := get(t, client, "https://b.example/"); !strings.Contains(have, "Bad Gateway") && !strings.Contains(have, "not allowed by ruleset") {
						t.Errorf("a stranger: %s", have)
					}
					asked = append(asked, "CONNECT b.example:443")
				}
				if diff := cmp.Diff(asked, n.Asked()); diff != "" {
					t.Error(diff)
				}
				for _, s := range []string{"http", "https", "socks5"} {
					if have, want := n.Connections(s), map[bool]int{s == scheme: 1 + max(0, len(asked)-1)}[true]; have != want {
						t.Errorf("%d connections to the %s proxy, not %d", have, s, want)
					}
				}
			})
		}
	}
}

// through is a client of one of the proxies; another login takes the place of the right one.
func through(t *testing.T, n *Internet, scheme string, login *url.Userinfo) *http.Client {
	t.Helper()
	proxy, err := url.Parse(n.ProxyURL(scheme))
	if err != nil {
		t.Fatal(err)
	}
	if login != nil {
		proxy.User = login
		if login.String() == "" {
			proxy.User = nil
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(n.CA())
	transport := &http.Transport{
		Proxy: http.ProxyURL(proxy), ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	n := NewInternet(t)
	n.Serve("a.example", http.HandlerFunc(echo))
	var all sync.WaitGroup
	for _, scheme := range []string{"http", "https", "socks5"} {
		for i := range 10 {
			all.Go(func() {
				address := fmt.Sprintf("https://a.example/%d", i)
				if have := get(t, through(t, n, scheme, nil), address); !strings.HasSuffix(have, fmt.Sprintf("a.example/%d", i)) {
					t.Errorf("%s: %s", scheme, have)
				}
			})
		}
	}
	all.Wait()
	if asked := n.Asked(); len(asked) != 30 || len(n.Refused()) > 0 {
		t.Error(asked)
	}
}

func TestEnvNamesProxyAndRoots(t *testing.T) {
	t.Parallel()
	n := NewInternet(t)
	env := n.Env()
	proxy := n.ProxyURL("http")
	for _, want := range []string{"HTTPS_PROXY=" + proxy, "HTTP_PROXY=" + proxy, "https_proxy=" + proxy, "http_proxy=" + proxy, "NO_PROXY=", "no_proxy="} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in %q", want, env)
		}
	}
	for _, entry := range env {
		if file, ok := strings.CutPrefix(entry, "SSL_CERT_FILE="); ok && !filepath.IsAbs(file) {
			t.Error(entry)
		}
	}
}

// Not parallel: it counts what runs. A connection whose client is gone, one whose answer is held, and those that nobody
// ends at either side end with the test.
func TestNothingOutlivesTheTest(t *testing.T) {
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	before := runtime.NumGoroutine()
	t.Run("internet", func(t *testing.T) {
		n := NewInternet(t)
		n.Route("silent.example", silent.Addr().String())
		for scheme, hello := range map[string]string{
			"http":   "CONNECT silent.example:1 HTTP/1.1\r\nHost: silent.example:1\r\n\r\n",
			"socks5": "\x05\x01\x00" + "\x05\x01\x00\x03\x0esilent.example\x00\x01",
		} {
			near, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", n.proxies[scheme].address)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, near)
			if _, err := near.Write([]byte(hello)); err != nil {
				t.Fatal(err)
			}
			far, err := silent.Accept()
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, far)
		}
		held := make(chan struct{})
		n.Serve("a.example", http.HandlerFunc(echo))
		n.Serve("held.example", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { close(held); <-r.Context().Done() }))
		for _, scheme := range []string{"http", "https", "socks5"} {
			client := through(t, n, scheme, nil)
			if have := get(t, client, "https://a.example/"); !strings.HasPrefix(have, "200") {
				t.Error(have)
			}
		}
		asked := make(chan string)
		go func() { asked <- get(t, n.Client(t), "https://held.example/") }()
		<-held
		t.Cleanup(func() { go func() { <-asked }() })
	})
	for start := time.Now(); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Since(start) > time.Minute {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, and %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
