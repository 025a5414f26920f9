package client_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/kube"
)

// server answers as an API server would, and writes down what it is asked.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string
}

// serve starts one, which speaks HTTP/2 as an API server does. answer gets the number of the request, from 1.
func serve(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, n int)) *server {
	t.Helper()
	return serveOver(t, true, answer)
}

func serveOver(t *testing.T, http2 bool, answer func(w http.ResponseWriter, r *http.Request, n int)) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.requests = append(s.requests, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), body)))
		n := len(s.requests)
		s.mu.Unlock()
		answer(w, r, n)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that a test breaks off
	s.EnableHTTP2 = http2
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// config is of an identity without credentials: what it may do is up to the answers.
func (s *server) config() *rest.Config {
	return &rest.Config{
		Host:            s.URL,
		TLSClientConfig: rest.TLSClientConfig{CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})},
		Dial:            (&net.Dialer{}).DialContext, // one of its own, so that client-go shares no connection between tests
	}
}

func connect(t *testing.T, config *rest.Config) *client.Client {
	t.Helper()
	client, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// refuse answers with a Status as the API server writes it.
func refuse(w http.ResponseWriter, status metav1.Status) {
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	if status.Code == http.StatusNotFound && status.Details == nil { // an object that is missing is named
		status.Details = &metav1.StatusDetails{Name: "x", Kind: "roles"}
	}
	status.Status = metav1.StatusFailure
	give(w, int(status.Code), status)
}

func give(w http.ResponseWriter, code int, o any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(o)
}

// cut ends the request without an answer: HTTP/2 resets the stream, HTTP/1.1 closes the connection.
func cut(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func object(kind, namespace, name string) kube.Object {
	return client.NewObject(kube.Ref{Kind: kind, Namespace: namespace, Name: name})
}

// applied is for tests that look at the error alone.
func applied(ctx context.Context, api *client.Client, o kube.Object, force bool) error {
	_, err := api.ApplyObject(ctx, o, force)
	return err
}
