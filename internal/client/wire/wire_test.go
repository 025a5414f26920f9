package wire_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/test/kubetest"
)

// credential adds a header below the redirect, as client-go does.
type credential struct{ next http.RoundTripper }

func (c credential) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer secret")
	return c.next.RoundTrip(r)
}

func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	far, arrived := kubetest.StartCanary(t, false)
	farTLS, arrivedTLS := kubetest.StartCanary(t, true)
	for name, c := range map[string]struct{ location, to string }{
		"another host":                      {farTLS + "/path?token=secret", ` to "` + farTLS + `", which is not followed`},
		"plain http":                        {far, ` to "` + far + `", which is not followed`},
		"no scheme":                         {strings.TrimPrefix(far, "http:") + "/x", ` to "` + far + `", which is not followed`},
		"the same host":                     {"/login?next=secret", ` to "HERE", which is not followed`},
		"a directory above":                 {"../../x", ` to "HERE", which is not followed`},
		"a user in it":                      {strings.Replace(far, "//", "//secret:secret@", 1), ` to "` + far + `", which is not followed`},
		"nowhere":                           {"", ` that does not say where to`},
		"an address that cannot be read":    {"https://%zz", ` that does not say where to`},
		"a scheme alone":                    {"file:///etc/passwd", ` that does not say where to`},
		"a name that a terminal would obey": {"https://a\u202eb.example", ` to "https://a\u202eb.example", which is not followed`},
	} {
		for _, code := range []int{301, 302, 303, 307, 308} {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked++
				if c.location != "" {
					w.Header().Set("Location", c.location)
				}
				w.WriteHeader(code)
			}))
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
				client := wire.Client(credential{http.DefaultTransport}, wire.MostOfToken)
				request, err := http.NewRequestWithContext(t.Context(), method, server.URL, strings.NewReader("{}"))
				if err != nil {
					t.Fatal(err)
				}
				answer, err := client.Do(request)
				if err == nil {
					_ = answer.Body.Close()
				}
				var refused *wire.RedirectError
				if !errors.As(err, &refused) || refused.Code != code {
					t.Fatalf("%s, %d: %v", name, code, err)
				}
				want := strings.ReplaceAll(c.to, "HERE", server.URL)
				if !strings.HasSuffix(refused.Error(), want) || strings.Contains(refused.Error(), "secret") {
					t.Errorf("%s: it says %q, and not %q", name, refused, want)
				}
			}
			server.Close()
			if asked != 4 {
				t.Errorf("%s, %d: the server was asked %d times", name, code, asked)
			}
		}
	}
	if n := arrived.Load() + arrivedTLS.Load(); n > 0 {
		t.Errorf("%d requests went where a redirect leads", n)
	}
}

// Others of the same hundred lead nowhere, and are answers.
func TestClient_NotARedirect(t *testing.T) {
	t.Parallel()
	for _, code := range []int{200, 300, 304, 305, 404, 500} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://127.0.0.1:1")
			w.WriteHeader(code)
		}))
		answer, err := wire.Client(&http.Transport{DisableKeepAlives: true}, wire.MostOfToken).Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != code {
			t.Errorf("%d became %d", code, answer.StatusCode)
		}
		server.Close()
	}
}

// bomb is gzip that unpacks to so many MiB.
func bomb(t *testing.T, size int) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for range size {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestAnswersAreBoundedAfterUnpacking(t *testing.T) {
	t.Parallel()
	packed := bomb(t, 64)
	for _, code := range []int{200, 401, 404, 500} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(code)
			_, _ = w.Write(packed)
		}))
		client := wire.Client(&http.Transport{DisableKeepAlives: true}, 8<<20)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		answer, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		read, err := io.ReadAll(answer.Body)
		runtime.ReadMemStats(&after)
		var tooLarge *wire.TooLargeError
		if !errors.As(err, &tooLarge) || len(read) > 8<<20 {
			t.Errorf("%d: %d bytes are read: %v", code, len(read), err)
		}
		if want := "the answer is larger than 8 MiB when it is unpacked, and is not read any further"; err.Error() != want {
			t.Errorf("it says %q", err)
		}
		if again, err := answer.Body.Read(make([]byte, 1)); again > 0 || !errors.As(err, &tooLarge) {
			t.Errorf("it can be read further: %v", err)
		}
		if taken := (after.TotalAlloc - before.TotalAlloc) >> 20; taken > 128 {
			t.Errorf("%d: it took %d MiB of memory", code, taken)
		}
		_ = answer.Body.Close()
		server.Close()
	}
}

// What many answers hold at once counts together, and what was closed counts no more.
func TestTheBoundIsOnAllAnswersAtOnce(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 600<<10)) }))
	t.Cleanup(server.Close)
	client := wire.Client(&http.Transport{DisableKeepAlives: true}, 1<<20)
	read := func() (io.Closer, error) {
		answer, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(answer.Body)
		return answer.Body, err
	}
	for range 3 {
		body, err := read()
		if err != nil {
			t.Fatal(err)
		}
		_ = body.Close()
		_ = body.Close() // as some libraries do
	}
	first, err := read()
	if err != nil {
		t.Fatal(err)
	}
	second, err := read()
	if _, tooLarge := errors.AsType[*wire.TooLargeError](err); !tooLarge {
		t.Errorf("two answers of 600 KiB are read at once: %v", err)
	}
	_ = first.Close()
	_ = second.Close()
	third, err := read()
	if err != nil {
		t.Errorf("after that: %v", err)
	}
	_ = third.Close()
}

func TestDirect_NoProxy(t *testing.T) {
	t.Parallel()
	far, _ := kubetest.StartCanary(t, false)
	server := httptest.NewServer(http.RedirectHandler(far, http.StatusFound))
	t.Cleanup(server.Close)
	nowhere := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("asked for a proxy") }, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	for name, client := range map[string]*http.Client{
		"of a guarded client": wire.Client(nowhere, wire.MostOfToken), "of another": {Transport: nowhere},
	} {
		_, err := wire.Direct(client).Get(server.URL) //nolint:bodyclose // there is none
		if _, refused := errors.AsType[*wire.RedirectError](err); !refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}
