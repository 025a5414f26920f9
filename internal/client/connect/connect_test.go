package connect

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/trace"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/secret"
)

// serve returns a verifier of a server, and what that was asked with.
func serve(t *testing.T) (v *Verifier, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var headers []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		headers = append(headers, r.Header.Get("Authorization")+" from "+r.UserAgent())
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"kind":"APIVersions","apiVersion":"v1","versions":["v1"],"paths":[]}`))
	}))
	t.Cleanup(s.Close)
	d := Dialer{UserAgent: "kubemint/x", Trace: &trace.Trace{Log: console.New(&strings.Builder{})}}
	v, err := d.Verifier(kubeconfig.Config{Cluster: kubeconfig.Cluster{Server: s.URL}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return headers
	}
}

func TestVerifier_AsksWithTheTokenOnceThereIsOne(t *testing.T) {
	t.Parallel()
	v, asked := serve(t)
	for _, token := range []string{"", "one", "two"} {
		if token != "" {
			v.Use(secret.New(token))
		}
		if err := v.First().ReadRoot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{" from kubemint/x", "Bearer one from kubemint/x", "Bearer two from kubemint/x"}
	if got := asked(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked with %q, want %q", got, want)
	}
}

// A steady run needs one connection: the others cost it time.
func TestVerifier_MakesFurtherConnectionsWhenTheyAreNeeded(t *testing.T) {
	t.Parallel()
	v, _ := serve(t)
	if len(v.clients) != 1 || len(v.Clients(true)) != 1 {
		t.Errorf("%d clients before", len(v.clients))
	}
	for range 2 {
		v.Widen(t.Context())
	}
	if len(v.Clients(true)) != verifierConnections || len(v.Clients(false)) != 1 {
		t.Errorf("%d clients, %d for old access", len(v.Clients(true)), len(v.Clients(false)))
	}
}

func TestVerifier_AnotherHasItsOwnToken(t *testing.T) {
	t.Parallel()
	v, asked := serve(t)
	v.Use(secret.New("good"))
	another, err := v.Another(secret.New("broken"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(another.Close)
	for _, each := range []*Verifier{another, v} {
		if err := each.First().ReadRoot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(asked(), "\n"); got != "Bearer broken from kubemint/x\nBearer good from kubemint/x" {
		t.Errorf("asked with %q", got)
	}
}

func TestVerifier_RefusesAProxyThatIsNoURL(t *testing.T) {
	t.Parallel()
	_, err := Dialer{Trace: &trace.Trace{}}.Verifier(kubeconfig.Config{Cluster: kubeconfig.Cluster{Server: "https://x", ProxyURL: "::user:secret"}})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestAskEach_ReturnsTheError(t *testing.T) {
	t.Parallel()
	v, _ := serve(t)
	v.Widen(t.Context())
	failed := errors.New("failed")
	var mu sync.Mutex
	asked := map[*client.Client]bool{}
	err := AskEach(v.Clients(true), func(c *client.Client) error {
		mu.Lock()
		defer mu.Unlock()
		asked[c] = true
		if c == v.clients[1] {
			return failed
		}
		return nil
	})
	if !errors.Is(err, failed) || len(asked) != verifierConnections {
		t.Errorf("asked %d: %v", len(asked), err)
	}
}
