package learn

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRequest(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]Request{
		"GET /":                       {Target: Target{Verb: "get", URL: "/"}},
		"GET /metrics/x":              {Target: Target{Verb: "get", URL: "/metrics/x"}},
		"GET /apis/apps/v1":           {Target: Target{Verb: "get", URL: "/apis/apps/v1"}},
		"GET /api/v1/watch":           {Target: Target{Verb: "get", URL: "/api/v1/watch"}},
		"POST /logout":                {Target: Target{Verb: "post", URL: "/logout"}},
		"GET /api/v1/nodes":           {Target: Target{Verb: "list", Resource: "nodes"}},
		"HEAD /api/v1/nodes/a":        {Target: Target{Verb: "get", Resource: "nodes", Name: "a"}},
		"OPTIONS /api/v1/nodes":       {Target: Target{Resource: "nodes"}},
		"GET /api/v1/nodes?watch=1":   {Target: Target{Verb: "watch", Resource: "nodes"}},
		"GET /api/v1/namespaces/shop": {Target: Target{Verb: "get", Resource: "namespaces", Namespace: "shop", Name: "shop"}},
		"GET /api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Da&watch=true": {
			Target: Target{Verb: "watch", Resource: "pods", Namespace: "shop", Name: "a"},
		},
		"DELETE /api/v1/namespaces/shop/pods": {Target: Target{Verb: "deletecollection", Resource: "pods", Namespace: "shop"}},
		"POST /api/v1/namespaces/shop/pods/a/exec?command=x": {
			Target: Target{Verb: "create", Resource: "pods", Subresource: "exec", Namespace: "shop", Name: "a"},
		},
		"PATCH /apis/apps/v1/namespaces/shop/deployments/web/scale?dryRun=All": {
			Target: Target{
				Verb: "patch", Group: "apps", Resource: "deployments", Subresource: "scale", Namespace: "shop",
				Name: "web",
			}, DryRun: true,
		},
	} {
		method, target, _ := strings.Cut(line, " ")
		r := httptest.NewRequest(method, target, http.NoBody)
		if diff := cmp.Diff(want, parseRequest(r)); diff != "" {
			t.Errorf("%s: %s", line, diff)
		}
	}
}

// Who the request acts as, and whether it takes the connection over, stand in headers.
func TestParseRequest_Headers(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "/api/v1/namespaces/shop/pods/a/exec", http.NoBody)
	r.Header.Set("Impersonate-User", "jane")
	r.Header.Add("Impersonate-Group", "dev")
	r.Header.Add("Impersonate-Group", "ops")
	r.Header.Set("Impersonate-Uid", "7")
	r.Header.Set("Impersonate-Extra-Acme.com%2fScopes", "view")
	r.Header.Set("Upgrade", "websocket")
	want := Request{
		Target:  Target{Verb: "get", Resource: "pods", Subresource: "exec", Namespace: "shop", Name: "a"},
		Upgrade: true, As: "user jane\ngroup dev\ngroup ops\nuid 7\nextra acme.com%2fscopes view",
	}
	if diff := cmp.Diff(want, parseRequest(r)); diff != "" {
		t.Error(diff)
	}
}

func TestImpersonated(t *testing.T) {
	t.Parallel()
	got := impersonated("user system:serviceaccount:shop:web\ngroup dev\ngroup ops\nuid 7\nextra acme.com%2fscopes a b")
	want := map[spot][]string{
		{"shop", "", "serviceaccounts"}:                             {"web"},
		{"", "", "groups"}:                                          {"dev", "ops"},
		{"", "authentication.k8s.io", "uids"}:                       {"7"},
		{"", "authentication.k8s.io", "userextras/acme.com/scopes"}: {"a b"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(spot{})); diff != "" {
		t.Error(diff)
	}
}

// What a client sends cannot fill the memory: not with many requests, and not with long ones. A
// request that is kept does not keep the URL that its words are parts of.
func TestRecord_StaysSmall(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	const most = 64 << 20
	for name, path := range map[string]string{
		"long tail": "/api/v1/namespaces/shop/services/web-%d/proxy/" + strings.Repeat("x", 4<<10),
		"long name": "/api/v1/namespaces/shop/pods/%d" + strings.Repeat("x", 4<<10),
		"long URL":  "/%d" + strings.Repeat("x", 4<<10),
	} {
		before := heap()
		record := NewRecord()
		for i := range 20_000 {
			r := httptest.NewRequest(http.MethodGet, fmt.Sprintf(path, i), http.NoBody)
			record.Add(parseRequest(r))
		}
		if grown := heap() - before; grown > most {
			t.Errorf("%s: the record takes %d MiB", name, grown>>20)
		}
		if count := record.Count(); count.Answered != 20_000 || (count.Lost > 0) != (name == "long URL") {
			t.Errorf("%s: %+v", name, count)
		}
	}
}

// heap is the memory in use, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
