package lifecycle

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/test/harness"
)

// A ServiceAccount that is deleted and made again between observation and mint is another identity: nobody declared
// access for that one. From Kubernetes 1.34 on the API server compares the UID; for an older one, which ignores
// it, the token's claim is compared.
func TestRecreatedServiceAccount(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		older bool
		want  string
	}{
		"the API server tells":    {false, `Operation cannot be fulfilled on .*UID`},
		"the token's claim tells": {true, `the ServiceAccount was deleted and made again meanwhile: run again$`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, _ := harness.NewNamespace(t)
			l := harness.NewJob(t, cluster, false)
			accounts := "/api/v1/namespaces/" + l.Namespaces[0] + "/serviceaccounts"
			account := metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "twin"}}
			if err := cluster.Admin.Do(t.Context(), http.MethodPost, accounts, account, nil); err != nil {
				t.Fatal(err)
			}
			issued := make(chan string, 1) // one request, one token
			v := &harness.Run{}
			l.RouteThrough(t, v, "twin", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
				if !strings.HasSuffix(r.URL.Path, "/token") {
					next.ServeHTTP(w, r)
					return
				}
				if err := cluster.Admin.Do(t.Context(), http.MethodDelete, accounts+"/twin", nil, nil); err != nil {
					t.Error(err)
				}
				if err := cluster.Admin.Do(t.Context(), http.MethodPost, accounts, account, nil); err != nil {
					t.Error(err)
				}
				if tc.older {
					withoutUID(t, r)
				}
				answer := httptest.NewRecorder()
				next.ServeHTTP(answer, r)
				issued <- harness.TokenOf(answer)
				harness.Deliver(w, answer)
			})
			command, stderr := harness.Command(t, v.Dir, v.Env)
			_ = command.Run()
			if code := command.ProcessState.ExitCode(); code != 5 {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			harness.AssertSays(t, stderr.String(), `^error: mint token.*: `+tc.want)
			if strings.Contains(stderr.String(), "reachable") {
				t.Errorf("it blames the connection:\n%s", stderr)
			}
			v.AssertNothingLeft(t)
			token := <-issued
			if tc.older != (token != "") {
				t.Errorf("a token was issued: %t", token != "")
			} else if tc.older {
				harness.AwaitDeath(t, "the token of the twin", l.NewBearer(t, token))
			}
		})
	}
}

// withoutUID makes a TokenRequest what an older API server takes it for.
func withoutUID(t *testing.T, r *http.Request) {
	t.Helper()
	var request map[string]any
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		t.Error(err)
		return
	}
	metadata, _ := request["metadata"].(map[string]any)
	if metadata["uid"] == nil {
		t.Errorf("no UID in the request: %v", request)
	}
	delete(metadata, "uid")
	body, err := json.Marshal(request)
	if err != nil {
		t.Error(err)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
}
