package scale

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// many runs the program over a thousand namespaces.
type many struct {
	cluster    *kubetest.ControlPlane
	namespaces []string
	dir        string // what the runner of GitHub Actions keeps its files in
	env        []string

	stderr  kubetest.Lines
	summary string
	peak    int // KiB
}

// A thousand namespaces in one run: each failure is named and hides no other, the log and the summary stay readable,
// memory is bounded, and all requests share a connection.
func TestThousandNamespaces(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	// Without controllers no namespace that is deleted is ever gone.
	m := &many{cluster: kubetest.New(t, kubetest.Options{NoControllers: true}), dir: t.TempDir()}
	for i := range 1000 {
		m.namespaces = append(m.namespaces, fmt.Sprintf("team-%03d", i))
	}
	if err := parallel.Each(len(m.namespaces), func(i int) error {
		_, err := m.cluster.CreateNamespace(t.Context(), m.namespaces[i])
		return err
	}); err != nil {
		t.Fatal(err)
	}

	m.broken(t)
	m.whole(t, `(?m)^created    RoleBinding kubemint:team-000:kubemint in 1000 namespaces: team-000, team-001, `)
	m.whole(t, `(?m)^unchanged  2001 objects$`)
	m.ephemeral(t)
}

// ephemeral is an identity of a run alone: the step state, one environment variable, cannot hold the names of all that it
// has made, and the post step deletes them all the same.
func (m *many) ephemeral(t *testing.T) {
	t.Helper()
	m.env = []string{"INPUT_EPHEMERAL=true", "INPUT_SERVICE_ACCOUNT=passing"}
	if code := m.kubemint(t, m.cluster.AdminKubeconfig()); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	count := func() (n int) {
		for _, kind := range []string{"roles", "rolebindings"} {
			var made metav1.PartialObjectMetadataList
			m.do(t, http.MethodGet, "/apis/rbac.authorization.k8s.io/v1/"+kind+"?labelSelector=app.kubernetes.io/managed-by=kubemint", nil, &made)
			for _, object := range made.Items {
				if strings.Contains(object.Name, ":passing-") {
					n++
				}
			}
		}
		return n
	}
	if n := count(); n != 2000 {
		t.Errorf("%d objects", n)
	}
	state, err := os.ReadFile(filepath.Join(m.dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	values := regexp.MustCompile(`(?m)^\{.*\}$`).FindAllString(string(state), -1) // the last counts
	m.env = []string{"STATE_receipt=" + values[len(values)-1], "GITHUB_STATE="}
	if code := m.kubemint(t, m.cluster.AdminKubeconfig(), "revoke"); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if n := count(); n != 0 {
		t.Errorf("%d objects are left", n)
	}
	if files, _ := filepath.Glob(filepath.Join(m.dir, "_temp", "*")); len(files) > 0 {
		t.Errorf("left: %v", files)
	}
}

// broken is a run with three namespaces more, in which it cannot succeed. One request is held until the log has told of
// progress.
func (m *many) broken(t *testing.T) {
	t.Helper()
	foreign := rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "kubemint:team-000:kubemint"}}
	for _, name := range []string{"foreign", "terminating"} {
		if _, err := m.cluster.CreateNamespace(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	m.do(t, http.MethodPost, "/apis/rbac.authorization.k8s.io/v1/namespaces/foreign/roles", foreign, nil)
	m.do(t, http.MethodDelete, "/api/v1/namespaces/terminating", nil, nil)

	proxy := kubetest.NewProxy(t, m.cluster, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		for start := time.Now(); r.Method == http.MethodPatch && strings.Contains(r.URL.Path, "/team-500/roles/"); time.Sleep(10 * time.Millisecond) {
			if strings.Contains(m.stderr.String(), "objects applied: ") || time.Since(start) > harness.Patience {
				break
			}
		}
		next.ServeHTTP(w, r)
	})
	admin, err := m.cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if admin, err = proxy.Kubeconfig(admin); err != nil {
		t.Fatal(err)
	}
	if code := m.kubemint(t, admin, "foreign", "terminating", "missing"); code != 4 {
		t.Errorf("exit code %d", code)
	}
	harness.AssertSays(t, m.stderr.String(),
		`^objects applied: \d+ of 100\d$`,
		`^error: apply Role foreign/\S+: it exists and was not made by kubemint$`,
		`^error: apply Role terminating/\S+: the namespace is being deleted: `,
		`^error: apply Role missing/\S+: namespace missing does not exist$`)
	if n := strings.Count(m.stderr.String(), "error: "); n != 3 {
		t.Errorf("%d errors", n)
	}
	for kind, want := range map[string]int{"roles": 1000, "rolebindings": 0} { // the others are done as far as nothing is granted
		var made metav1.PartialObjectMetadataList
		m.do(t, http.MethodGet, "/apis/rbac.authorization.k8s.io/v1/"+kind+"?labelSelector=app.kubernetes.io/managed-by=kubemint", nil, &made)
		if len(made.Items) != want {
			t.Errorf("%d %s", len(made.Items), kind)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(m.dir, "_temp", "*")); len(files) > 0 {
		t.Errorf("left: %v", files)
	}
}

// whole is a run that succeeds.
func (m *many) whole(t *testing.T, change string) {
	t.Helper()
	balancer := kubetest.NewBalancer(t, m.cluster.URL)
	source := strings.ReplaceAll(string(m.cluster.AdminKubeconfig()), m.cluster.URL, balancer.URL)
	if code := m.kubemint(t, []byte(source)); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	// The runner's identity has a connection, and so has the new one. Requests that start before the first connection is
	// open each dial their own, and net/http closes all but one: two lists, and the Lease's creation.
	if n := balancer.Accepted(); n > 6 {
		t.Errorf("%d connections", n)
	}
	t.Logf("%d connections", balancer.Accepted())
	if lines := strings.Count(m.summary, "\n"); lines > 100 || !strings.Contains(m.summary, "and 990 more namespaces") || !regexp.MustCompile(change).MatchString(m.summary) {
		t.Errorf("a summary of %d lines:\n%s", lines, m.summary)
	}
	harness.AssertSays(t, m.stderr.String(), change)

	written, err := filepath.Glob(filepath.Join(m.dir, "_temp", "*", "kubeconfig"))
	if err != nil || len(written) != 1 {
		t.Fatalf("kubeconfigs: %v (%v)", written, err)
	}
	content, err := os.ReadFile(written[0])
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubetest.NewClient(content)
	if err != nil {
		t.Fatal(err)
	}
	for namespace, allowed := range map[string]bool{"team-000": true, "team-500": true, "team-999": true, "foreign": false, "default": false} {
		err := client.Do(t.Context(), http.MethodGet, "/api/v1/namespaces/"+namespace+"/pods", nil, nil)
		if allowed != (err == nil) || !allowed && !strings.Contains(err.Error(), "forbidden") {
			t.Errorf("pods of %s: %v", namespace, err)
		}
	}
	if err := os.RemoveAll(filepath.Dir(written[0])); err != nil {
		t.Fatal(err)
	}
}

// kubemint is a step of GitHub Actions on the host.
func (m *many) kubemint(t *testing.T, source []byte, more ...string) (code int) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(m.dir, "_temp"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"source": source, "summary": nil, "output": nil, "env": nil, "state": nil} {
		if err := os.WriteFile(filepath.Join(m.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.stderr = kubetest.Lines{}
	var args []string
	if slices.Contains(more, "revoke") {
		args, more = []string{"revoke"}, nil
	}
	command := exec.CommandContext(t.Context(), "kubemint", args...)
	command.Stderr = &m.stderr
	command.Env = []string{
		"GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=acme/shop", "GITHUB_WORKSPACE=" + m.dir, "RUNNER_TEMP=" + filepath.Join(m.dir, "_temp"),
		"GITHUB_OUTPUT=" + filepath.Join(m.dir, "output"), "GITHUB_ENV=" + filepath.Join(m.dir, "env"),
		"GITHUB_STATE=" + filepath.Join(m.dir, "state"), "GITHUB_STEP_SUMMARY=" + filepath.Join(m.dir, "summary"),
		"INPUT_KUBECONFIG=" + filepath.Join(m.dir, "source"), "INPUT_RULES=get,list pods,pods/log",
		"INPUT_NAMESPACE=" + strings.Join(slices.Insert(slices.Clone(m.namespaces), 1, more...), "\n"),
	}
	command.Env = append(command.Env, m.env...)
	m.peak = harness.RunWatchingMemory(t, command)
	code = command.ProcessState.ExitCode()
	summary, err := os.ReadFile(filepath.Join(m.dir, "summary"))
	if err != nil {
		t.Fatal(err)
	}
	m.summary = string(summary)
	if lines := strings.Count(m.stderr.String(), "\n"); lines > 60 {
		t.Errorf("%d lines of log", lines)
	}
	if m.peak == 0 || m.peak > 64<<10 {
		t.Errorf("%d KiB of memory at the most", m.peak)
	}
	t.Logf("exit code %d, %v of CPU, %d KiB at the most:\n%s", code, command.ProcessState.UserTime()+command.ProcessState.SystemTime(), m.peak, &m.stderr)
	return code
}

func (m *many) do(t *testing.T, method, path string, in, out any) {
	t.Helper()
	if err := m.cluster.Admin.Do(t.Context(), method, path, in, out); err != nil {
		t.Fatal(err)
	}
}
