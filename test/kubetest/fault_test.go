package kubetest_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/kubetest"
)

// What a client without any patience sees of each fault, what the API server does, and that the next request is answered.
func TestEachFault(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	const ended = "the connection has ended"
	cluster := kubetest.New(t, kubetest.Options{NoControllers: true})
	admin, err := cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		Sees string
		Done bool // the API server has carried it out
	}
	want := map[string]seen{
		"401": {"401 application/json", false}, "403 by RBAC": {"403 application/json", false},
		"403 by admission": {"403 application/json", false}, "409": {"409 application/json", false},
		"redirect": {"307 ", false}, "410": {"410 application/json", false}, "422": {"422 application/json", false},
		"429": {"429 application/json", false}, "429, Retry-After": {"429 application/json, after 1", false},
		"500": {"500 application/json", false}, "502": {"502 text/plain; charset=utf-8", false},
		"503": {"503 application/json", false}, "504": {"504 application/json", false},
		"page instead of an answer": {"200 text/html; charset=utf-8", false}, "page of a login": {"403 text/html; charset=utf-8", false},
		"page of a server that is away": {"503 text/html; charset=utf-8", false},
		"stream reset":                  {"stream error: stream ID 1; INTERNAL_ERROR; received from peer", false},
		"cut before it is carried out":  {ended, false}, "cut before the answer": {ended, true},
		"cut in the middle of the answer": {"201 application/json, cut", true}, "cut after the answer": {"201 application/json", true},
		"stalled before it is carried out": {"context deadline exceeded", false}, "stalled after": {"context deadline exceeded", true},
		"slow": {"201 application/json", true}, "GOAWAY": {"201 application/json", true},
		"GOAWAY and cut":                 {"http2: server sent GOAWAY and closed the connection; LastStreamID=2147483647, ErrCode=ENHANCE_YOUR_CALM, debug=\"\"", true},
		"TLS broken":                     {"local error: tls: bad record MAC", false},
		"TLS with another's certificate": {ended, false},
	}
	faults := kubetest.Faults()
	if len(faults) != len(want) {
		t.Errorf("%d faults, and %d are looked at", len(faults), len(want))
	}
	for _, fault := range faults {
		t.Run(fault.Name, func(t *testing.T) {
			t.Parallel()
			namespace, err := cluster.CreateNamespace(t.Context(), "fault-")
			if err != nil {
				t.Fatal(err)
			}
			proxy := kubetest.NewProxy(t, cluster, fault.Between(kubetest.Nth(1)))
			content, err := proxy.Kubeconfig(admin)
			if err != nil {
				t.Fatal(err)
			}
			config, err := clientcmd.RESTConfigFromKubeConfig(content)
			if err != nil {
				t.Fatal(err)
			}
			client, err := rest.HTTPClientFor(config)
			if err != nil {
				t.Fatal(err)
			}
			ask := func(name string) string {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				body := strings.NewReader(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"` + name + `"}}`)
				request, err := http.NewRequestWithContext(ctx, http.MethodPost, config.Host+"/api/v1/namespaces/"+namespace+"/configmaps", io.NopCloser(body))
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Content-Type", "application/json")
				answer, err := client.Do(request)
				if err != nil {
					return err.Error()
				}
				defer answer.Body.Close()
				says := answer.Status[:3] + " " + answer.Header.Get("Content-Type")
				if after := answer.Header.Get("Retry-After"); after != "" {
					says += ", after " + after
				}
				if _, err := io.ReadAll(answer.Body); err != nil {
					says += ", cut"
				}
				return says
			}
			got := seen{Sees: ask("first")}
			got.Done = cluster.Admin.Do(t.Context(), http.MethodGet, "/api/v1/namespaces/"+namespace+"/configmaps/first", nil, nil) == nil
			_, got.Sees, _ = strings.Cut(`": `+got.Sees, `": `)
			if _, why, failed := strings.Cut(got.Sees, `": `); failed { // after the method and the URL
				got.Sees = why
			}
			for _, end := range []string{"unexpected EOF", "connection reset by peer", "broken pipe"} {
				if strings.HasSuffix(got.Sees, end) { // a FIN, a reset where something was still unread, a late SETTINGS frame of the client's
					got.Sees = ended
				}
			}
			if diff := cmp.Diff(want[fault.Name], got); diff != "" {
				t.Error(diff)
			}
			if fault.Stays {
				if says := ask("second"); !strings.Contains(says, "certificate signed by unknown authority") {
					t.Errorf("then: %s", says)
				}
				proxy.Recover()
			}
			time.Sleep(50 * time.Millisecond) // a cut connection has to be seen as such: this client tries nothing twice
			if says := ask("third"); says != "201 application/json" {
				t.Errorf("at last: %s", says)
			}
		})
	}
}
