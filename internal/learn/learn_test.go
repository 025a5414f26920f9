package learn_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/learn"
	"github.com/kubemint/kubemint/internal/rules/syntax"
)

// credential is the runner's, which no command may see.
const credential = "the-runners-own-credential"

// bearer adds a token, as a source's transport does.
type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// start runs a proxy in front of a handler, with a credential that may act as somebody else, and
// returns a client that trusts it.
func start(
	t *testing.T, impersonates bool, handler http.HandlerFunc,
) (*learn.Proxy, *learn.Record, *http.Client) {
	t.Helper()
	server := httptest.NewTLSServer(handler)
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := bearer{credential, server.Client().Transport}
	record := learn.NewRecord()
	proxy, err := learn.Start(t.Context(), learn.Upstream{
		URL: at, Transport: transport, Upgrade: transport, Impersonates: impersonates,
	}, record)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(proxy.CA()) {
		t.Fatal("the proxy's CA is no certificate")
	}
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, ForceAttemptHTTP2: true},
	}
	return proxy, record, client
}

// send sends a request with a token, and returns the status and the body.
func send(t *testing.T, client *http.Client, method, url, token, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestProxy_HandsOnWithTheRunnersCredential(t *testing.T) {
	t.Parallel()
	proxy, record, client := start(t, false, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s", r.Header.Get("Authorization"), r.Method, r.URL.RequestURI(), body)
	})
	code, text := send(
		t, client, "POST", proxy.Server()+"/api/v1/namespaces/shop/secrets?fieldManager=x", proxy.Token(),
		"the-body",
	)
	if want := "Bearer " + credential +
		" POST /api/v1/namespaces/shop/secrets?fieldManager=x the-body"; code != 200 || text != want {
		t.Errorf("got %d %q, want %q", code, text, want)
	}
	want := []learn.Request{{Target: learn.Target{Verb: "create", Resource: "secrets", Namespace: "shop"}, Status: 200}}
	if diff := cmp.Diff(want, slices.Collect(record.Requests())); diff != "" {
		t.Error(diff)
	}
	for kept := range record.Requests() {
		if text := fmt.Sprintf("%+v", kept); strings.Contains(text, "the-body") ||
			strings.Contains(text, "fieldManager") {
			t.Errorf("a body or a query is kept: %s", text)
		}
	}
}

func TestProxy_RefusesOtherProcesses(t *testing.T) {
	t.Parallel()
	reached := false
	proxy, record, client := start(t, false, func(http.ResponseWriter, *http.Request) { reached = true })
	for _, token := range []string{"", "guess", proxy.Token() + "x", credential} {
		if code, _ := send(t, client, "GET", proxy.Server()+
			"/api/v1/pods", token, ""); code != http.StatusUnauthorized {
			t.Errorf("token %q: %d", token, code)
		}
	}
	if reached || record.Count().Answered != 0 {
		t.Error("a request of another process reached the API server")
	}
}

// Where the credential acts as somebody else, no request can name another identity: client-go would
// send it as whoever the credential is itself.
func TestProxy_KeepsTheIdentityThatItActsAs(t *testing.T) {
	t.Parallel()
	for _, impersonates := range []bool{false, true} {
		reached := 0
		proxy, record, client := start(t, impersonates, func(http.ResponseWriter, *http.Request) { reached++ })
		for _, header := range []string{
			"Impersonate-User", "impersonate-user", "Impersonate-Group", "Impersonate-Uid",
			"Impersonate-Extra-A", "None",
		} {
			request, err := http.NewRequestWithContext(
				t.Context(), http.MethodGet, proxy.Server()+"/api/v1/pods", http.NoBody,
			)
			if err != nil {
				t.Fatal(err)
			}
			request.Header[header] = []string{"administrator"}
			request.Header.Set("Authorization", "Bearer "+proxy.Token())
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if refused := impersonates && header != "None"; refused != (response.StatusCode == http.StatusForbidden) {
				t.Errorf("acts as another: %t, %s: %s", impersonates, header, response.Status)
			}
		}
		if declined := record.Count().Declined; declined != 6-reached {
			t.Errorf("%d requests are counted as declined, %d reached the API server", declined, reached)
		}
		if want := map[bool]int{false: 6, true: 1}[impersonates]; reached != want ||
			record.Count().Answered != want {
			t.Errorf(
				"acts as another: %t: %d requests reached the API server, not %d", impersonates, reached, want,
			)
		}
	}
}

// A POST does not name what it makes, so all roles that were made meanwhile count, which is said.
// Where each request had a name, others' roles do not.
func TestReadRoles(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	role := func(name, verb string, age time.Duration) string {
		return fmt.Sprintf(`{"metadata":{"namespace":"shop","name":%q,"creationTimestamp":%q},`+
			`"rules":[{"apiGroups":[""],"resources":["pods"],"verbs":[%q]}]}`,
			name, began.Add(age).Format(time.RFC3339), verb)
	}
	list := `{"kind":"RoleList","apiVersion":"rbac.authorization.k8s.io/v1","items":[` +
		strings.Join([]string{
			role("old", "list", -time.Hour), role("old-and-patched", "patch", -time.Hour),
			role("somebody's", "delete", time.Minute),
		}, ",") + "]}"
	for name, tt := range map[string]struct {
		method, path string
		want         []string
	}{
		"patched": {"PATCH", "/old-and-patched", []string{"patch  pods"}},
		"made": {"POST", "", []string{
			"# note: of roles made in namespace shop while the command ran all are counted, whoever made " +
				"them: somebody's",
			"delete  pods",
		}},
	} {
		proxy, record, client := start(t, false, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", began.Format(http.TimeFormat))
			if r.Method == http.MethodGet {
				_, _ = io.WriteString(w, list)
			}
		})
		const roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles"
		send(t, client, tt.method, proxy.Server()+roles+tt.path, proxy.Token(), "{}")
		at, err := url.Parse(proxy.Server())
		if err != nil {
			t.Fatal(err)
		}
		upstream := learn.Upstream{URL: at, Transport: bearer{proxy.Token(), client.Transport}}
		lines := learn.ReadRoles(t.Context(), upstream, record).Lines()
		var got []string
		for _, line := range lines {
			if strings.HasPrefix(line, "# note: of") || (line != "" && !strings.HasPrefix(line, "#")) {
				got = append(got, line)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A watch and a log are handed on line by line: nothing waits for the end of an answer.
func TestProxy_Streams(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	proxy, _, client := start(t, false, func(w http.ResponseWriter, r *http.Request) {
		for i := range 3 {
			fmt.Fprintf(w, "line %d\n", i)
			w.(http.Flusher).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
			}
		}
	})
	request, _ := http.NewRequestWithContext(
		t.Context(), http.MethodGet, proxy.Server()+"/api/v1/pods?watch=1", http.NoBody,
	)
	request.Header.Set("Authorization", "Bearer "+proxy.Token())
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.ProtoMajor != 2 {
		t.Errorf("the protocol is %s", response.Proto)
	}
	lines := bufio.NewScanner(response.Body)
	for i := range 3 {
		if !lines.Scan() || lines.Text() != fmt.Sprintf("line %d", i) {
			t.Fatalf("line %d: %q", i, lines.Text())
		}
		next <- struct{}{}
	}
}

func TestProxy_ServerGoesAway(t *testing.T) {
	t.Parallel()
	proxy, record, client := start(
		t, false, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	)
	code, text := send(t, client, "GET", proxy.Server()+"/api/v1/pods", proxy.Token(), "")
	if code != http.StatusBadGateway || !strings.Contains(text, "the API server did not answer") {
		t.Errorf("got %d %q", code, text)
	}
	if count := record.Count(); count.Unanswered != 1 || count.Cause == nil || count.Answered != 0 {
		t.Errorf("%+v", count)
	}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	request := func(verb, resource, namespace, name string) learn.Request {
		group := ""
		if before, after, dot := strings.Cut(resource, "."); dot {
			resource, group = before, after
		}
		resource, sub, _ := strings.Cut(resource, "/")
		return learn.Request{
			Target: learn.Target{Verb: verb, Group: group, Resource: resource, Subresource: sub, Namespace: namespace, Name: name},
			Status: 200,
		}
	}
	with := func(r learn.Request, change func(*learn.Request)) learn.Request { change(&r); return r }
	for name, tt := range map[string]struct {
		requests []learn.Request
		names    bool
		want     string
	}{
		"folded": {
			[]learn.Request{
				request("get", "deployments.apps", "shop", "web"),
				request("patch", "deployments.apps", "shop", "api"),
				request("create", "deployments.apps", "shop", ""),
			},
			false,
			"# in namespace shop\n# deployments api, web\nget,create,patch  deployments.apps",
		},
		"with names": {
			[]learn.Request{
				request("get", "secrets", "shop", "a"), request("patch", "secrets", "shop", "b"),
				request("create", "secrets", "shop", ""), request("list", "secrets", "shop", ""),
			},
			true,
			"# in namespace shop\n# secrets a, b\nlist,create  secrets\nget          secrets  a\npatch    " +
				"    secrets  b",
		},
		"a name that a list was for": {
			[]learn.Request{request("list", "deployments.apps", "shop", "web")},
			true,
			"# in namespace shop\n# deployments web\nlist  deployments.apps",
		},
		"at cluster scope": {
			[]learn.Request{
				request("list", "pods", "", ""), request("get", "namespaces", "", "shop"),
				request("get", "pods", "shop", "a"),
			},
			false,
			"# at cluster scope\n# namespaces shop\ncluster  get  namespaces\n# pods\ncluster  list  " +
				"pods\n\n# in namespace shop\n# pods a\nget  pods",
		},
		"subresources": {
			[]learn.Request{
				request("get", "pods/log", "shop", "a"),
				request("update", "deployments/scale.apps", "shop", "a"),
			},
			false,
			"# in namespace shop\n# pods/log a\nget  pods/log\n# deployments/scale a\nupdate  " +
				"deployments.apps/scale\n",
		},
		"apply made it": {
			[]learn.Request{
				with(request("patch", "configmaps", "shop", "a"), func(r *learn.Request) { r.Status = 201 }),
			},
			false,
			"# in namespace shop\n# configmaps a\ncreate,patch  configmaps\n",
		},
		"exec by WebSocket": {
			[]learn.Request{with(
				request("get", "pods/exec", "shop", "a"),
				func(r *learn.Request) { r.Upgrade = true; r.Status = 101 },
			)},
			false,
			"# in namespace shop\n# pods/exec a\nget,create  pods/exec\n",
		},
		"paths": {
			[]learn.Request{{Target: learn.Target{Verb: "get", URL: "/metrics"}, Status: 200}},
			false,
			"# at cluster scope\n# paths that are no resource\ncluster  get  /metrics\n",
		},
		"what failed": {
			[]learn.Request{
				with(request("get", "pods", "shop", "a"), func(r *learn.Request) { r.Status = 404 }),
				with(request("create", "secrets", "shop", ""), func(r *learn.Request) { r.Status = 403 }),
			},
			false,
			"# in namespace shop\n# pods a\nget  pods\n# secrets\ncreate  secrets\n\n# note: 404, not " +
				"there: get pods a in namespace shop\n# note: 403, refused: create secrets in namespace shop\n",
		},
		"acting as another": {
			[]learn.Request{with(request("get", "configmaps", "shop", "a"), func(r *learn.Request) { r.As = "user system:serviceaccount:shop:x" }), with(request("get", "configmaps", "shop", "b"), func(r *learn.Request) { r.As = "user jane\ngroup dev" })},
			false,
			"# at cluster scope\n# groups dev\ncluster  impersonate  groups  dev\n# users jane\n" +
				"cluster  impersonate  users  jane\n\n# in namespace shop\n# serviceaccounts x\n" +
				"impersonate  serviceaccounts  x\n\n# note: another identity: get configmaps a in namespace " +
				"shop, as user system:serviceaccount:shop:x, whose own right it is\n# note: another identity: " +
				"get configmaps b in namespace shop, as user jane, group dev, whose own right it is\n",
		},
		"a method that no rule allows": {
			[]learn.Request{request("", "pods", "shop", ""), request("get", "pods", "shop", "a")},
			false,
			"# in namespace shop\n# pods a\nget  pods\n\n# note: no rule allows its method: pods in namespace shop\n",
		},
		"dry run": {
			[]learn.Request{
				with(request("patch", "pods", "shop", "a"), func(r *learn.Request) { r.DryRun = true }),
			},
			false,
			"# in namespace shop\n# pods a\npatch  pods\n\n# note: a dry run, which takes the same right: " +
				"patch pods a in namespace shop\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(learn.Needs(slices.Values(tt.requests), tt.names).Lines(), "\n")
			if want := strings.TrimSpace(tt.want); got != want {
				t.Error(cmp.Diff(want, got))
			}
			if _, err := syntax.ParseRules(got); err != nil {
				t.Errorf("the input rules does not take it: %v\n%s", err, got)
			}
		})
	}
}

// 100,000 different requests stay within bounds, and none beyond them changes the rules.
func TestRecord_IsBounded(t *testing.T) {
	t.Parallel()
	record := learn.NewRecord()
	for i := range 120_000 {
		record.Add(
			learn.Request{
				Target: learn.Target{Verb: "get", Resource: "pods", Namespace: "shop", Name: fmt.Sprint("pod-", i)}, Status: 200,
			},
		)
	}
	if count := record.Count(); count.Answered != 120_000 || count.Lost != 0 {
		t.Errorf("%+v", count)
	}
	requests := slices.Collect(record.Requests())
	if len(requests) != 100_001 {
		t.Errorf("%d are kept", len(requests))
	}
	lines := learn.Needs(slices.Values(requests), true).Lines()
	if !slices.Contains(lines, "get  pods") {
		t.Errorf("a name was dropped, and the rule is still for names alone: %d lines", len(lines))
	}
}

// A rule for very many names is one for all, but for one to act as others, who might be anybody
// then.
func TestNeeds_OfVeryManyNames(t *testing.T) {
	t.Parallel()
	var requests []learn.Request
	for i := range 1001 {
		name := fmt.Sprint("name-", i)
		requests = append(
			requests,
			learn.Request{Target: learn.Target{Verb: "get", Resource: "pods", Namespace: "shop", Name: name}, Status: 200},
			learn.Request{
				Target: learn.Target{Verb: "get", Resource: "pods", Namespace: "shop", Name: "a"}, Status: 200, As: "user " + name,
			},
		)
	}
	lines := ruleLines(learn.Needs(slices.Values(requests), true).Lines())
	if len(lines) != 2 || lines[1] != "get  pods" {
		t.Errorf("%d lines, the last one %.40q", len(lines), lines[len(lines)-1])
	}
	if first := lines[0]; !strings.HasPrefix(first, "cluster  impersonate  users  name-0,name-1,") {
		t.Errorf("%.60q", first)
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	requests := []learn.Request{
		{Target: learn.Target{Verb: "get", Resource: "pods", Namespace: "a", Name: "x"}, Status: 200},
		{Target: learn.Target{Verb: "create", Resource: "secrets", Namespace: "b"}, Status: 403},
		{Target: learn.Target{Verb: "list", Group: "batch", Resource: "jobs", Namespace: "b"}, Status: 200},
		{Target: learn.Target{Verb: "list", Resource: "nodes"}, Status: 200},
	}
	for name, tt := range map[string]struct {
		declared string
		want     learn.Comparison
	}{
		"exact": {"get pods; list jobs; cluster list nodes", learn.Comparison{}},
		"never used": {
			"get,list pods; list jobs; get configmaps app; cluster list nodes; cluster get namespaces",
			learn.Comparison{Unused: []string{"list  pods", "get   configmaps  app", "cluster  get  namespaces"}},
		},
		"wider than what was used": {
			"* pods; list,get *.batch; cluster list nodes",
			learn.Comparison{Wider: []string{"*  pods", "get,list  *.batch"}},
		},
		"a wildcard that was not used": {
			"get pods; list jobs; * *.policy; cluster list nodes",
			learn.Comparison{Unused: []string{"*  *.policy"}},
		},
		"refused by a policy": {
			"get pods; list jobs; create secrets; cluster list nodes",
			learn.Comparison{},
		},
		"a name of many": {
			"get pods x,y; list jobs; cluster list nodes",
			learn.Comparison{Unused: []string{"get  pods  y"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			declared, err := syntax.ParseRules(tt.declared)
			if err != nil {
				t.Fatal(err)
			}
			got := learn.Compare(slices.Values(requests), declared)
			wantUsed := "cluster  list  nodes|get  pods|list  jobs.batch"
			wantRefused := []string{"create  secrets"}
			if name == "refused by a policy" {
				wantRefused, wantUsed = nil, "cluster  list  nodes|get  pods|create  secrets|list  jobs.batch"
			}
			if used := strings.Join(ruleLines(got.Used.Lines()), "|"); used != wantUsed {
				t.Errorf("used: %s", used)
			}
			if refused := ruleLines(got.Refused.Lines()); !slices.Equal(refused, wantRefused) {
				t.Errorf("refused: %q", refused)
			}
			slices.Sort(got.Unused)
			slices.Sort(tt.want.Unused)
			if !slices.Equal(squeeze(got.Unused), squeeze(tt.want.Unused)) ||
				!slices.Equal(squeeze(got.Wider), squeeze(tt.want.Wider)) {
				t.Errorf("unused %q, wider %q; want %q, %q", got.Unused, got.Wider, tt.want.Unused, tt.want.Wider)
			}
		})
	}
}

// ruleLines are the lines that are no comments.
func ruleLines(lines []string) []string {
	return slices.DeleteFunc(
		slices.Clone(lines), func(l string) bool { return l == "" || strings.HasPrefix(l, "#") },
	)
}

// squeeze makes columns single spaces.
func squeeze(lines []string) (all []string) {
	for _, line := range lines {
		all = append(all, strings.Join(strings.Fields(line), " "))
	}
	slices.Sort(all)
	return all
}
