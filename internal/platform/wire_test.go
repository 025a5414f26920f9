package platform_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// elsewhere is where no request of a platform may come to.
func elsewhere(t *testing.T) (address string, arrived *atomic.Int32) {
	t.Helper()
	arrived = &atomic.Int32{}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			arrived.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL, arrived
}

// What the runner's endpoint for ID tokens answers instead of one: it is asked once, and the request's token goes nowhere else.
func TestIDTokenEndpointThatIsNotTheRunners(t *testing.T) {
	t.Parallel()
	far, arrived := elsewhere(t)
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	_, _ = w.Write(bytes.Repeat([]byte(" "), 64<<20))
	_ = w.Close()
	answers := map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"nowhere": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) }, "the answer is a redirect (302 Found) that does not say where to"},
		"itself": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/again", http.StatusSeeOther)
		}, `the answer is a redirect (303 See Other) to "http://127.0.0.1:`},
	}
	for _, code := range []int{301, 302, 307, 308} {
		answers[http.StatusText(code)] = struct {
			answer http.HandlerFunc
			says   string
		}{http.RedirectHandler(far+"/canary-path", code).ServeHTTP, `to "` + far + `", which is not followed`}
	}
	for name, c := range answers {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked++; c.answer(w, r) }))
		_, err := idToken(t, server.URL)
		var p *problem.Error
		if !errors.As(err, &p) || p.Code != problem.Source || len(p.Hints) == 0 || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
		if asked != 1 {
			t.Errorf("%s: it was asked %d times", name, asked)
		}
		server.Close()
	}
	// The library reads 64 kB of an answer, of an error too.
	for _, code := range []int{200, 404} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(code)
			_, _ = w.Write(bomb.Bytes())
		}))
		if _, err := idToken(t, server.URL); problem.ExitCode(err) != int(problem.Source) {
			t.Errorf("a bomb, %d: %v", code, err)
		}
		server.Close()
	}
	if arrived.Load() > 0 {
		t.Error("a request went where a redirect leads")
	}
}

func idToken(t *testing.T, url string) (secret.Value, error) {
	t.Helper()
	request, _ := of(variables{
		"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": url + "/canary?x=canary", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "canary",
	}).IDToken()
	return request(t.Context(), "a")
}

// Buildkite's agent is on a socket, and whoever has put another in its place gets one request.
func TestJobAPIThatRedirects(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "job-api") //nolint:usetesting // whose directory is too long a name for a socket: 104 characters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "1.sock")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, "http://elsewhere.example/canary", http.StatusTemporaryRedirect)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	agent := of(variables{"BUILDKITE": "true", "BUILDKITE_AGENT_JOB_API_SOCKET": path, "BUILDKITE_AGENT_JOB_API_TOKEN": "canary"})
	err = agent.Mask(secret.New("canary"))
	if err == nil || !strings.Contains(err.Error(), `to "http://elsewhere.example", which is not followed`) || strings.Contains(err.Error(), "canary") {
		t.Errorf("it says %v", err)
	}
	if asked.Load() != 1 {
		t.Errorf("it was asked %d times", asked.Load())
	}
}
