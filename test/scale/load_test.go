package scale

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// crowd is how many runs start together.
const crowd = 50

// load is runs that start together, on an API server of their own.
type load struct {
	cluster *kubetest.ControlPlane
	source  []byte // kubeconfig of the runner
	dir     string
}

// env is that of one run, which writes a kubeconfig of that name.
func (l *load) env(name, namespace, account string, more ...string) []string {
	return append([]string{
		"KUBEMINT_KUBECONFIG=" + string(l.source), "KUBEMINT_TIMEOUT=5m", "KUBEMINT_OUTPUT=" + filepath.Join(l.dir, name),
		"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_SERVICE_ACCOUNT=" + account, "KUBEMINT_RULES=list pods\nget configmaps app",
	}, more...)
}

// together runs a program in each environment at the same time, and demands that all end well.
func (l *load) together(t *testing.T, envs [][]string, args ...string) {
	t.Helper()
	start := time.Now()
	var all sync.WaitGroup
	for i, env := range envs {
		command, stderr := harness.Command(t, l.dir, env, args...)
		all.Go(func() {
			if err := command.Run(); err != nil {
				t.Errorf("run %d: %v: %s", i, err, stderr)
			}
		})
	}
	all.Wait()
	t.Logf("%d at once in %s: kubemint %v", len(envs), time.Since(start).Round(10*time.Millisecond), args)
}

// client has the credential that a run has written.
func (l *load) client(t *testing.T, name string) (client *kubetest.Client, token string) {
	t.Helper()
	config, err := clientcmd.LoadFromFile(filepath.Join(l.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	if client, err = kubetest.NewClient(content); err != nil {
		t.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		token = user.Token
	}
	return client, token
}

// work demands that each run's credential is another one, and may do in its namespace what is declared and nothing else.
func (l *load) work(t *testing.T, names, namespaces []string) {
	t.Helper()
	of := map[string]string{}
	for i, name := range names {
		client, token := l.client(t, name)
		if of[token] != "" {
			t.Errorf("%s and %s have the same token", of[token], name)
		}
		of[token] = name
		if err := client.Do(t.Context(), http.MethodGet, "/api/v1/namespaces/"+namespaces[i]+"/pods", nil, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, other := range []string{namespaces[i] + "/secrets", "kube-system/pods"} {
			err := client.Do(t.Context(), http.MethodGet, "/api/v1/namespaces/"+other, nil, nil)
			if err == nil || !strings.Contains(err.Error(), "forbidden") {
				t.Errorf("%s: %s: %v", name, other, err)
			}
		}
	}
}

// labelled reads what bears the label of a ServiceAccount, of one kind and in one namespace.
func (l *load) labelled(t *testing.T, kind, in, namespace, account string) (items []map[string]any) {
	t.Helper()
	prefix := map[string]string{
		"serviceaccounts": "/api/v1", "secrets": "/api/v1", "leases": "/apis/coordination.k8s.io/v1",
		"roles": "/apis/rbac.authorization.k8s.io/v1", "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
	}[kind]
	var list struct{ Items []map[string]any }
	path := prefix + "/namespaces/" + in + "/" + kind + "?labelSelector=kubemint/service-account=" + namespace + "." + account
	if err := l.cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, &list); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(list.Items, func(item map[string]any) bool {
		return kind == "leases" && item["metadata"].(map[string]any)["name"] == "kubemint-"+account // the lock
	})
}

// access is all that a ServiceAccount has in one namespace, as text in which nothing tells which account, namespace and run
// it was.
func (l *load) access(t *testing.T, in, namespace, account string) string {
	t.Helper()
	all := map[string]any{}
	for _, kind := range []string{"serviceaccounts", "roles", "rolebindings"} {
		items := l.labelled(t, kind, in, namespace, account)
		for _, item := range items {
			meta, _ := item["metadata"].(map[string]any)
			for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "managedFields"} {
				delete(meta, field)
			}
		}
		all[kind] = items
	}
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(in, "IN", namespace, "NAMESPACE", account, "ACCOUNT").Replace(string(text))
}

func names(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%02d", prefix, i))
	}
	return all
}

// Fifty jobs of a pipeline start at the same moment. In the end there are the objects that one of them alone would have
// made.
func TestFiftyRunsAtOnce(t *testing.T) { //nolint:tparallel // in turn: each is load enough
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	l := &load{cluster: kubetest.New(t, kubetest.Options{NoControllers: true}), dir: t.TempDir()}
	l.source = l.cluster.AdminKubeconfig()
	for _, namespace := range append(names("team-", crowd), "single", "shop") {
		if _, err := l.cluster.CreateNamespace(t.Context(), namespace); err != nil {
			t.Fatal(err)
		}
	}
	harness.RunProgram(t, l.dir, l.env("one", "single", "alone"))
	one := l.access(t, "single", "single", "alone")
	if strings.Count(one, `"name": "kubemint:IN:ACCOUNT"`) != 3 { // Role, binding, and its roleRef
		t.Errorf("of one run:\n%s", one)
	}
	t.Run("of one ServiceAccount", func(t *testing.T) { l.ofOne(t, one) })
	t.Run("of one ServiceAccount, each in its namespace", func(t *testing.T) { l.ofOneApart(t) })
	t.Run("of a ServiceAccount each", func(t *testing.T) { l.ofEach(t, one) })
}

// ofOne is runs that declare the same.
func (l *load) ofOne(t *testing.T, one string) {
	t.Helper()
	var envs [][]string
	runs, shop := names("same-", crowd), slices.Repeat([]string{"shop"}, crowd)
	for _, name := range runs {
		envs = append(envs, l.env(name, "shop", "many"))
	}
	l.together(t, envs)
	if diff := cmp.Diff(one, l.access(t, "shop", "shop", "many")); diff != "" {
		t.Errorf("fifty runs have made something else than one:\n%s", diff)
	}
	l.work(t, runs, shop)

	// Each revoke ends its own credential and no other's.
	const ended = crowd / 2
	var dead []*kubetest.Client
	for _, name := range runs[:ended] {
		client, _ := l.client(t, name)
		dead = append(dead, client)
	}
	l.together(t, envs[:ended], "revoke")
	for _, kind := range []string{"leases", "secrets"} {
		if n := len(l.labelled(t, kind, "shop", "shop", "many")); n != crowd-ended {
			t.Errorf("%d %s are left", n, kind)
		}
	}
	for i, client := range dead {
		harness.AwaitDeath(t, runs[i], client)
	}
	l.work(t, runs[ended:], shop)
	l.together(t, envs[ended:], "revoke")
	for _, kind := range []string{"leases", "secrets"} {
		if left := l.labelled(t, kind, "shop", "shop", "many"); len(left) > 0 {
			t.Errorf("%s are left: %v", kind, left)
		}
	}
}

// ofOneApart is runs that each give the same ServiceAccount access to another namespace, with take_ownership, as they declare
// different access: they change it one after the other, and none takes back another's.
func (l *load) ofOneApart(t *testing.T) {
	t.Helper()
	harness.RunProgram(t, l.dir, l.env("one-apart", "single", "shop/apart"))
	one := l.access(t, "single", "shop", "apart")
	var envs [][]string
	runs, teams := names("apart-", crowd), names("team-", crowd)
	for i, name := range runs {
		envs = append(envs, l.env(name, teams[i], "shop/apart", "KUBEMINT_TAKE_OWNERSHIP=true"))
	}
	l.together(t, envs)
	for _, team := range teams {
		if diff := cmp.Diff(one, l.access(t, team, "shop", "apart")); diff != "" {
			t.Errorf("%s:\n%s", team, diff)
		}
	}
	l.work(t, runs, teams)
	l.work(t, runs[:1], teams[crowd-1:]) // they are one identity, which has the access of all
}

// ofEach is runs that have nothing in common but the namespace.
func (l *load) ofEach(t *testing.T, one string) {
	t.Helper()
	var envs [][]string
	runs := names("each-", crowd)
	for _, name := range runs {
		envs = append(envs, l.env(name, "shop", name))
	}
	l.together(t, envs)
	for _, name := range runs {
		if diff := cmp.Diff(one, l.access(t, "shop", "shop", name)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	l.work(t, runs, slices.Repeat([]string{"shop"}, crowd))
}

// The API server has one seat for the runner and for what it mints, and refuses (429) who finds it taken: the runs wait as
// long as they are told to.
func TestServerThatHasEnough(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster := kubetest.New(t, kubetest.Options{NoControllers: true, APIServerArgs: []string{
		"--max-requests-inflight=20", "--max-mutating-requests-inflight=20", // the level below has one of them
	}})
	l := &load{cluster: cluster, dir: t.TempDir()}
	var err error
	if l.source, err = cluster.ClientKubeconfig("runner"); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Apply(t.Context(), `
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: runner}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: runner}],
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
---
{apiVersion: flowcontrol.apiserver.k8s.io/v1, kind: PriorityLevelConfiguration, metadata: {name: narrow},
  spec: {type: Limited, limited: {nominalConcurrencyShares: 1, lendablePercent: 0, borrowingLimitPercent: 0, limitResponse: {type: Reject}}}}
---
{apiVersion: flowcontrol.apiserver.k8s.io/v1, kind: FlowSchema, metadata: {name: narrow}, spec: {priorityLevelConfiguration: {name: narrow}, matchingPrecedence: 10,
  rules: [{subjects: [{kind: User, user: {name: runner}}, {kind: Group, group: {name: "system:serviceaccounts:default"}}],
    resourceRules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"], namespaces: ["*"], clusterScope: true}],
    nonResourceRules: [{nonResourceURLs: ["*"], verbs: ["*"]}]}]}}`); err != nil {
		t.Fatal(err)
	}
	l.await(t, `apiserver_flowcontrol_nominal_limit_seats{priority_level="narrow"} 1`)
	l.await(t, `apiserver_flowcontrol_dispatched_requests_total{flow_schema="narrow"`)

	const runs = 3
	var envs [][]string
	for _, name := range names("narrow-", runs) {
		envs = append(envs, l.env(name, "default", name))
	}
	l.together(t, envs)
	refused := regexp.MustCompile(`(?m)^apiserver_flowcontrol_rejected_requests_total\{flow_schema="narrow",.*,reason="concurrency-limit"\} (\d+)$`).FindStringSubmatch(l.metrics(t))
	if refused == nil {
		t.Fatal("the API server has refused nothing")
	}
	t.Logf("%s requests were refused with 429", refused[1])
}

// An API server that never has room for a request: the run ends with its `timeout`, and says why.
func TestServerThatHasEnoughForGood(t *testing.T) { //nolint:tparallel // the second case leaves what is declared
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	admin, err := cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		refused func(path string) bool
		op      string
		left    []string // kinds
	}{
		{"everything", func(string) bool { return true }, "read ServiceAccount NS/enough", nil},
		{
			"the token", func(path string) bool { return strings.HasSuffix(path, "/token") }, "mint token for NS/enough",
			[]string{"serviceaccounts", "roles", "rolebindings"}, // which are declared state
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			proxy := kubetest.NewProxy(t, cluster, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
				if !tc.refused(r.URL.Path) {
					next.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Retry-After", "1") // as k8s.io/apiserver pkg/server/filters/priority-and-fairness.go does
				http.Error(w, "Too many requests, please try again later.", http.StatusTooManyRequests)
			})
			source, err := proxy.Kubeconfig(admin)
			if err != nil {
				t.Fatal(err)
			}
			l := &load{cluster: cluster, source: source, dir: t.TempDir()}
			command, stderr := harness.Command(t, l.dir, append(l.env("kubeconfig", namespace, "enough"), "KUBEMINT_TIMEOUT=8s"))
			_ = command.Run()
			if code := command.ProcessState.ExitCode(); code != 5 {
				t.Errorf("exit code %d", code)
			}
			harness.AssertSays(t, stderr.String(),
				`^error: `+strings.ReplaceAll(tc.op, "NS", namespace)+`: not carried out in time: context deadline exceeded; the last answer was: the server has received too many requests `,
				"^hint: raise `timeout`, or see why https://127.0.0.1:\\d+ fails or has too many requests ")
			if left, err := os.ReadDir(l.dir); err != nil || len(left) > 0 {
				t.Errorf("left: %v (%v)", left, err)
			}
			for _, kind := range []string{"serviceaccounts", "roles", "rolebindings", "leases", "secrets"} {
				if left := l.labelled(t, kind, namespace, namespace, "enough"); len(left) > 0 != slices.Contains(tc.left, kind) {
					t.Errorf("left: %v", left)
				}
			}
		})
	}
}

// metrics are the API server's own.
func (l *load) metrics(t *testing.T) string {
	t.Helper()
	config := l.cluster.AdminConfig()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, config.Host+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// await waits until the API server's metrics have this. The runner asks meanwhile, since some come into being with a request.
func (l *load) await(t *testing.T, metric string) {
	t.Helper()
	client, err := kubetest.NewClient(l.source)
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); !strings.Contains(l.metrics(t), metric); time.Sleep(50 * time.Millisecond) {
		_ = client.Do(t.Context(), http.MethodGet, "/api/v1/namespaces/default", nil, nil)
		if time.Since(start) > harness.Patience {
			t.Fatalf("the API server's metrics do not come to have %s", metric)
		}
	}
}
