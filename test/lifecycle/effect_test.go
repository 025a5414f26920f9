package lifecycle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// limited is a life whose runs are those of an identity with the rights that bootstrap prints for the configuration, and no
// others.
type limited struct {
	*harness.Job
	home   string // the namespace of that identity
	inputs []string
}

func newLimited(t *testing.T, account string, inputs ...string) *limited {
	t.Helper()
	cluster, home := harness.NewNamespace(t)
	l := &limited{Job: harness.NewJob(t, cluster, false), home: home, inputs: append([]string{"KUBEMINT_SERVICE_ACCOUNT=" + account, "KUBEMINT_RULES=list pods"}, inputs...)}
	runner := metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "runner"}}
	if err := cluster.Admin.Do(t.Context(), http.MethodPost, "/api/v1/namespaces/"+home+"/serviceaccounts", runner, nil); err != nil {
		t.Fatal(err)
	}
	var err error
	if l.Admin, err = cluster.TokenKubeconfig(t.Context(), home, "runner", time.Hour); err != nil {
		t.Fatal(err)
	}
	l.giveRights(t)
	return l
}

// giveRights applies what bootstrap prints, and waits until a plan, which asks for each right, is refused nothing.
func (l *limited) giveRights(t *testing.T) {
	t.Helper()
	env := append([]string{"KUBECONFIG=source", "KUBEMINT_NAMESPACE=" + strings.Join(l.Namespaces[:], ",")}, l.inputs...)
	command, stderr := harness.Command(t, t.TempDir(), env, "bootstrap", "--subject", "serviceaccount:"+l.home+"/runner")
	printed, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	if err := l.Cluster.Apply(t.Context(), string(printed)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "source"), l.Admin, 0o600); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		command, stderr := harness.Command(t, dir, env, "plan")
		if command.Run() == nil {
			return
		}
		if time.Since(start) > harness.Patience {
			t.Fatalf("the rights that are printed are not enough for a plan: %s", stderr)
		}
	}
}

// mintExpecting runs the main job and demands its exit code. It returns what the program says.
func mintExpecting(t *testing.T, v *harness.Run, code int) string {
	t.Helper()
	command, stderr := harness.Command(t, v.Dir, v.Env)
	_ = command.Run()
	if have := command.ProcessState.ExitCode(); have != code {
		t.Errorf("exit code %d, not %d: %s", have, code, stderr)
	}
	return stderr.String()
}

// assertDead demands that a failed run has left nothing, and that no token that was issued is alive.
func assertDead(t *testing.T, v *harness.Run) {
	t.Helper()
	v.AssertNothingLeft(t)
	assertTokensDead(t, v)
}

func assertTokensDead(t *testing.T, v *harness.Run) {
	t.Helper()
	v.Mu.Lock()
	defer v.Mu.Unlock()
	for _, minted := range v.Minted {
		harness.AwaitDeath(t, "a token of a failed run", v.NewBearer(t, minted))
	}
}

const rulesReviews = "/selfsubjectrulesreviews"

// reviewRights prepares a run for which a test changes what the API server says of the new credential's rights. number counts
// the answers for each namespace from 1 on.
func reviewRights(t *testing.T, l *harness.Job, account string, inputs []string, change func(namespace string, number int, said *authorizationv1.SubjectRulesReviewStatus)) *harness.Run {
	t.Helper()
	var mu sync.Mutex
	asked := map[string]int{}
	v := &harness.Run{}
	l.RouteThrough(t, v, account, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		var review authorizationv1.SelfSubjectRulesReview
		if strings.HasSuffix(r.URL.Path, rulesReviews) {
			body, err := io.ReadAll(r.Body)
			if err != nil || json.Unmarshal(body, &review) != nil {
				t.Errorf("%s: %v", body, err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		answer := v.CarryOut(r, next)
		if namespace := review.Spec.Namespace; namespace != "" {
			if err := json.Unmarshal(answer.Body.Bytes(), &review); err != nil {
				t.Errorf("%s: %v", answer.Body, err)
			}
			mu.Lock()
			asked[namespace]++
			change(namespace, asked[namespace], &review.Status)
			mu.Unlock()
			content, err := json.Marshal(review)
			if err != nil {
				t.Error(err)
			}
			answer.Header().Del("Content-Length")
			answer.Body = bytes.NewBuffer(content)
		}
		harness.Deliver(w, answer)
	})
	v.Env = append(v.Env, inputs...)
	return v
}

// without takes a resource, or a URL, out of an answer.
func without(said *authorizationv1.SubjectRulesReviewStatus, what string) {
	is := func(each string) bool { return each == what }
	for i := range said.ResourceRules {
		said.ResourceRules[i].Resources = slices.DeleteFunc(said.ResourceRules[i].Resources, is)
	}
	for i := range said.NonResourceRules {
		said.NonResourceRules[i].NonResourceURLs = slices.DeleteFunc(said.NonResourceRules[i].NonResourceURLs, is)
	}
}

// RBAC reaches an API server late: the run ends when all is in effect, and not before.
func TestAwaitsEffect(t *testing.T) {
	t.Parallel()
	const late = 6 // answers that know nothing yet
	l := newLimited(t, "late")
	answers := map[string]int{}
	var v *harness.Run
	var made sync.Mutex // the proxy's goroutines read v
	made.Lock()
	v = reviewRights(t, l.Job, "late", nil, func(namespace string, number int, said *authorizationv1.SubjectRulesReviewStatus) {
		made.Lock()
		defer made.Unlock()
		answers[namespace] = number
		if namespace == l.Namespaces[1] && number <= late {
			said.ResourceRules = nil
		}
		if _, err := os.Stat(filepath.Join(v.Dir, "kubemint.kubeconfig")); err == nil {
			t.Error("the credential is handed out before it is proved")
		}
	})
	made.Unlock()
	mintExpecting(t, v, 0)
	made.Lock()
	if answers[l.Namespaces[1]] <= late {
		t.Errorf("it asked %v times, and the first %d answers were empty", answers, late)
	}
	made.Unlock()
	harness.RunProgram(t, v.Dir, v.Env, "revoke")
	v.AssertNothingLeft(t)
}

// What never comes into effect fails the run, which names it, all of it and nothing else.
func TestNeverInEffect(t *testing.T) {
	t.Parallel()
	const missing, deadline = "error: prove access: these rules are not in effect ", " (context deadline exceeded):\n"
	for name, tc := range map[string]struct {
		inputs []string
		hidden [2][]string // in each namespace; at cluster scope, the first
		want   string      // $0 and $1 are the namespaces
	}{
		"in each namespace something else, of our rules and of a role": {
			inputs: []string{"KUBEMINT_RULES=list pods,secrets\nget,patch configmaps app", "KUBEMINT_ROLE=system:kube-dns"},
			hidden: [2][]string{{"pods", "configmaps"}, {"endpoints"}},
			want: missing + "in namespace $0" + deadline + "    get,patch  configmaps  app\n    list       pods\n" +
				missing + "in namespace $1" + deadline + "    list,watch  endpoints\n",
		},
		"URLs, at cluster scope": {
			inputs: []string{"KUBEMINT_SCOPE=cluster", "KUBEMINT_RULES=get /metrics,/late/*\nlist nodes,pods"},
			hidden: [2][]string{{"/late/*", "nodes"}},
			want:   missing + "cluster-wide" + deadline + "    cluster  list  nodes\n    cluster  get   /late/*\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLimited(t, "never", tc.inputs...)
			v := reviewRights(t, l.Job, "never", tc.inputs, func(namespace string, _ int, said *authorizationv1.SubjectRulesReviewStatus) {
				for _, what := range tc.hidden[max(0, slices.Index(l.Namespaces[:], namespace))] {
					without(said, what)
				}
			})
			v.Env = append(v.Env, "KUBEMINT_TIMEOUT=8s")
			said := mintExpecting(t, v, 5)
			want := strings.NewReplacer("$0", l.Namespaces[0], "$1", l.Namespaces[1]).Replace(tc.want)
			if _, errs, _ := strings.Cut(said, "\nerror: "); !strings.HasPrefix("error: "+errs, want+"hint: raise `timeout`, ") {
				t.Errorf("it does not say just this:\n%sbut\n%s", want, said)
			}
			v.AssertNothingLeft(t)
		})
	}
}

// What this run takes away is held against it only where the API server still grants it when changes have long settled.
func TestMustNotAwaitsRemoval(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ stale, code int }{
		"seen late":  {6, 0},
		"never seen": {1 << 30, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inputs := []string{"KUBEMINT_RULES=list pods\nget secrets"}
			l := newLimited(t, "removal", inputs...)
			before := reviewRights(t, l.Job, "removal", inputs, func(string, int, *authorizationv1.SubjectRulesReviewStatus) {})
			mintExpecting(t, before, 0)
			harness.RunProgram(t, before.Dir, before.Env, "revoke")

			old := authorizationv1.ResourceRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"secrets"}}
			answers := 0
			v := reviewRights(t, l.Job, "removal", []string{"KUBEMINT_MUST_NOT=* secrets"},
				func(namespace string, number int, said *authorizationv1.SubjectRulesReviewStatus) {
					if namespace == l.Namespaces[1] && number <= tc.stale {
						said.ResourceRules, answers = append(said.ResourceRules, old), number
					}
				})
			said := mintExpecting(t, v, tc.code)
			harness.AssertSays(t, said, `^ +- get +secrets$`)
			if answers < 6 {
				t.Errorf("it asked %d times, and the old rules were in each answer:\n%s", answers, said)
			}
			if tc.code == 0 {
				harness.RunProgram(t, v.Dir, v.Env, "revoke")
				v.AssertNothingLeft(t)
				return
			}
			harness.AssertSays(t, said, `^error: prove must_not: in namespace `+l.Namespaces[1]+` the credential may do what must_not forbids:\n    get +secrets$`)
			if strings.Count(said, "error: ") != 1 {
				t.Errorf("only one namespace is at fault:\n%s", said)
			}
			v.AssertNothingLeft(t)
		})
	}
}

// A namespace that somebody deletes while a run works in it is named by the error, the other one is consistent, no credential
// is left, and once the namespace is there again the run is possible again.
func TestNamespaceDeletedInMidRun(t *testing.T) {
	t.Parallel()
	write := func(r *http.Request, namespace string) bool {
		return r.Method != http.MethodGet && strings.Contains(r.URL.Path, "/namespaces/"+namespace+"/")
	}
	proof := func(r *http.Request, _ string) bool { return strings.HasSuffix(r.URL.Path, rulesReviews) }
	missing := map[int]string{4: `^error: apply Role(Binding)? NS/.*: (namespace NS does not exist|user ".*" may not patch .* in namespace NS)$`}
	dying := map[int]string{4: missing[4], 5: `^error: apply Role(Binding)? NS/.*: the namespace is being deleted: .* because it is being terminated$`}
	type deletion struct {
		at       func(r *http.Request, namespace string) bool
		answered bool // the request has passed
		gone     bool // the test waits until the namespace is
		which    int  // 0 is the ServiceAccount's
		admin    bool
		want     map[int]string // what is said, by exit code; NS is the namespace
	}
	var all sync.WaitGroup // they usually wait, and a small machine runs few parallel tests
	for name, tc := range map[string]deletion{
		"before the first write":                        {at: write, which: 1, want: dying},
		"before the first write, as administrator":      {at: write, which: 1, admin: true, want: dying},
		"gone before the first write":                   {at: write, which: 1, gone: true, want: missing},
		"gone before the first write, as administrator": {at: write, which: 1, gone: true, admin: true, want: missing},
		"after the first write":                         {at: write, which: 1, answered: true, want: dying},
		"gone before the proof": {
			at: proof, which: 1, gone: true,
			want: map[int]string{5: `^error: prove access: these rules are not in effect in namespace NS \(.*\):\n    list  pods$`},
		},
		"the ServiceAccount's, before the first write": {
			at:   write,
			want: map[int]string{4: `^error: .* in namespace NS$`, 5: `^error: create Lease NS/.*: the namespace is being deleted: `},
		},
		// The run may no longer ask for the lease, so it cannot know that the lease is gone too: the error
		// names it.
		"the ServiceAccount's, gone after the first write": {
			at: write, answered: true, gone: true,
			want: map[int]string{4: `^error: (apply ServiceAccount NS/midrun|create Secret NS/kubemint-midrun-\S+): .* in namespace NS$(?s).*^hint: .*  kubectl -n NS delete lease kubemint-midrun-`},
		},
		"the ServiceAccount's, gone before the proof, as administrator": {
			at: proof, gone: true, admin: true,
			want: map[int]string{5: `^error: prove token: the API server refuses the token .*\n(hint: .*\n)*hint: or the ServiceAccount was deleted`},
		},
	} {
		all.Go(func() {
			t.Run(name, func(t *testing.T) { //nolint:paralleltest // it is, by the goroutine
				var l *limited
				if tc.admin {
					cluster, _ := harness.NewNamespace(t)
					l = &limited{Job: harness.NewJob(t, cluster, false)}
				} else {
					l = newLimited(t, "midrun")
				}
				namespace, other := l.Namespaces[tc.which], l.Namespaces[1-tc.which]
				var once sync.Once
				v := &harness.Run{}
				l.RouteThrough(t, v, "midrun", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
					var answer *httptest.ResponseRecorder
					if tc.answered {
						answer = v.CarryOut(r, next)
					}
					if tc.at(r, namespace) {
						once.Do(func() { deleteNamespace(t, l.Cluster, namespace, tc.gone) })
					}
					if answer == nil {
						answer = v.CarryOut(r, next)
					}
					harness.Deliver(w, answer)
				})
				// The run waits while the namespace goes, which may take as long as the test's patience.
				command, stderr := harness.Command(t, v.Dir, append(v.Env, "KUBEMINT_TIMEOUT="+(2*harness.Patience).String()))
				_ = command.Run()
				code, said := command.ProcessState.ExitCode(), stderr.String()
				if tc.want[code] == "" {
					t.Fatalf("exit code %d: %s", code, said)
				}
				harness.AssertSays(t, said, strings.ReplaceAll(tc.want[code], "NS", namespace))
				kept := strings.Contains(said, "hint: a credential may live on") // then revoke has its receipt
				if kept {
					if _, err := os.Stat(filepath.Join(v.Dir, "kubemint.kubeconfig")); !os.IsNotExist(err) {
						t.Errorf("a failed run has written a kubeconfig (%v)", err)
					}
					assertTokensDead(t, v)
				} else {
					assertDead(t, v)
				}
				l.consistent(t, other)

				if !tc.gone {
					return
				}
				if _, err := l.Cluster.CreateNamespace(t.Context(), namespace); err != nil {
					t.Fatal(err)
				}
				if !tc.admin {
					l.giveRights(t)
				}
				if kept {
					harness.RunProgram(t, v.Dir, v.Env, "revoke")
					v.AssertNothingLeft(t)
				}
				mintExpecting(t, v, 0)
				harness.RunProgram(t, v.Dir, v.Env, "revoke")
				v.AssertNothingLeft(t)
			})
		})
	}
	all.Wait()
}

// consistent demands that a namespace has the declared Role and perhaps its binding, or neither.
func (l *limited) consistent(t *testing.T, namespace string) {
	t.Helper()
	var role rbacv1.Role
	name := "/kubemint:" + l.Namespaces[0] + ":midrun"
	err := l.Cluster.Admin.Do(t.Context(), http.MethodGet, harness.RolesPath("Role", namespace)+name, nil, &role)
	if apierrors.IsNotFound(err) {
		if err := l.Cluster.Admin.Do(t.Context(), http.MethodGet, harness.RolesPath("RoleBinding", namespace)+name, nil, nil); !apierrors.IsNotFound(err) {
			t.Errorf("a binding without its role: %v", err)
		}
		return
	}
	want := []rbacv1.PolicyRule{{Verbs: []string{"list"}, APIGroups: []string{""}, Resources: []string{"pods"}}}
	if err != nil || !reflect.DeepEqual(role.Rules, want) {
		t.Errorf("the Role in namespace %s is %v (%v)", namespace, role.Rules, err)
	}
}

// deleteNamespace deletes it if it is there, and may wait until it is gone.
func deleteNamespace(t *testing.T, cluster *kubetest.ControlPlane, namespace string, gone bool) {
	t.Helper()
	path := "/api/v1/namespaces/" + namespace
	err := cluster.Admin.Do(t.Context(), http.MethodDelete, path, nil, nil)
	for start := time.Now(); gone && !apierrors.IsNotFound(err) && time.Since(start) < harness.Patience; time.Sleep(50 * time.Millisecond) {
		err = cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, nil)
	}
	if gone != apierrors.IsNotFound(err) {
		t.Errorf("namespace %s: that it is gone is not %t: %v", namespace, gone, err)
	}
}

// A plan writes nothing, whatever is there and whoever asks: each request reads, is a review, or a dry run, and none asks for a
// token, which would be alive. No object is another one afterwards.
func TestPlanWritesNothing(t *testing.T) {
	t.Parallel()
	for name, identity := range map[string]func(t *testing.T) *limited{
		"as administrator": func(t *testing.T) *limited {
			t.Helper()
			cluster, _ := harness.NewNamespace(t)
			return &limited{Job: harness.NewJob(t, cluster, false)}
		},
		"as a limited identity": func(t *testing.T) *limited {
			t.Helper()
			return newLimited(t, "planned", "KUBEMINT_ROLE=edit,view")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := identity(t)
			l.unsettle(t)
			for _, tc := range []struct {
				input string
				codes []int // the limited identity lacks what is not in its configuration
				want  string
			}{
				{"ROLE=edit", []int{0, 4}, `^would configure RoleBinding `},
				{"ROLE=edit,view", []int{0, 4}, `^(would delete    ClusterRoleBinding|note: leftovers were not looked for at the cluster scope)`},
				{"TAKE_OWNERSHIP=true", []int{0, 4}, `^would configure Role `},
				{"CREATE_NAMESPACE=true\nNAMESPACE=" + l.Namespaces[0] + "," + l.Namespaces[0] + "-new", []int{0, 4}, `Namespace `},
				{"SCOPE=cluster", []int{0, 4}, `^would create    ClusterRole |may not get clusterroles`},
				{"EPHEMERAL=true", []int{0, 4}, `^would create    ServiceAccount \S+/planned-`},
				{"DURATION=permanent", []int{0, 4}, `^would configure Role `},
				{"SERVICE_ACCOUNT=foreign\nROLE=view", []int{4}, `.`},
			} {
				var mu sync.Mutex
				var wrote []string
				v := &harness.Run{}
				l.RouteThrough(t, v, "planned", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
					if what := writes(t, r); what != "" {
						mu.Lock()
						wrote = append(wrote, what)
						mu.Unlock()
					}
					harness.Deliver(w, v.CarryOut(r, next))
				})
				for line := range strings.SplitSeq(tc.input, "\n") {
					v.Env = append(v.Env, "KUBEMINT_"+line)
				}
				before := l.snapshot(t)
				for _, args := range [][]string{{"plan"}, {"mint"}} {
					command, stderr := harness.Command(t, v.Dir, append(v.Env, fmt.Sprintf("KUBEMINT_DRY_RUN=%t", args[0] == "mint")), args...)
					_ = command.Run()
					code := command.ProcessState.ExitCode()
					if !slices.Contains(tc.codes, code) || l.home == "" && code != tc.codes[0] {
						t.Errorf("%s: exit code %d: %s", tc.input, code, stderr)
					}
					harness.AssertSays(t, stderr.String(), tc.want)
				}
				if len(wrote) > 0 {
					t.Errorf("%s: it sent %s", tc.input, strings.Join(wrote, ", "))
				}
				if v.Proxy.Seen() < 8 {
					t.Errorf("%s: only %d requests: they do not go through the proxy", tc.input, v.Proxy.Seen())
				}
				if diff := cmp.Diff(before, l.snapshot(t)); diff != "" {
					t.Errorf("%s: it changed:\n%s", tc.input, diff)
				}
				files, err := os.ReadDir(v.Dir)
				if err != nil || len(files) > 0 {
					t.Errorf("%s: it left %v (%v)", tc.input, files, err)
				}
			}
		})
	}
}

// writes says what a request would change: nothing where it only reads, reviews, or is a dry run.
func writes(t *testing.T, r *http.Request) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var options metav1.DeleteOptions
	if r.Method == http.MethodDelete && json.Unmarshal(body, &options) != nil {
		t.Errorf("%s %s: %q", r.Method, r.URL, body)
	}
	dry := slices.Contains(append(options.DryRun, r.URL.Query()["dryRun"]...), metav1.DryRunAll)
	reads := r.Method == http.MethodGet || r.Method == http.MethodPost && regexp.MustCompile(`/(authorization|authentication)\.k8s\.io/v1/selfsubject`).MatchString(r.URL.Path)
	if (reads || dry) && !strings.HasSuffix(r.URL.Path, "/token") {
		return ""
	}
	return r.Method + " " + r.URL.String()
}

// unsettle leaves objects in every state: a Role that was edited, a binding of another role than declared, one that is missing
// and one that is declared no longer, cluster-wide too, a lease, a token Secret, and a ServiceAccount of somebody else's.
func (l *limited) unsettle(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	source := append([]string{
		"KUBEMINT_NAMESPACE=" + strings.Join(l.Namespaces[:], ","), "KUBEMINT_SERVICE_ACCOUNT=planned", "KUBEMINT_RULES=list pods,services",
	}, "KUBEMINT_REVOKE=false")
	harness.RunAs(t, dir, l.Cluster.AdminKubeconfig(), append(source, "KUBEMINT_SCOPE=cluster"), 0)
	harness.RunAs(t, dir, l.Cluster.AdminKubeconfig(), append(source, "KUBEMINT_ROLE=view", "KUBEMINT_OUTPUT=second", "KUBEMINT_DURATION=permanent"), 0)
	harness.RunAs(t, dir, l.Cluster.AdminKubeconfig(), append(source, "KUBEMINT_SERVICE_ACCOUNT=foreign", "KUBEMINT_OUTPUT=third", "KUBEMINT_REVOKE=true"), 0)
	name := "kubemint:" + l.Namespaces[0] + ":planned"
	marks := map[string]string{"app.kubernetes.io/managed-by": "kubemint", "kubemint/service-account": l.Namespaces[0] + ".planned"}
	view := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"}
	for _, change := range []struct {
		method, path string
		body         any
	}{
		{http.MethodPatch, harness.RolesPath("Role", l.Namespaces[0]) + "/" + name, map[string]any{"rules": nil}},
		{http.MethodDelete, harness.RolesPath("RoleBinding", l.Namespaces[0]) + "/" + name, nil},
		{http.MethodPost, harness.RolesPath("RoleBinding", l.Namespaces[0]), rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: marks}, RoleRef: view,
		}},
		{http.MethodPost, harness.RolesPath("ClusterRoleBinding", ""), rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name + ":clusterrole:view", Labels: marks}, RoleRef: view,
		}},
		{http.MethodDelete, harness.RolesPath("RoleBinding", l.Namespaces[1]) + "/" + name, nil},
		{http.MethodPatch, harness.RolesPath("Role", l.Namespaces[0]) + "/kubemint:" + l.Namespaces[0] + ":foreign", map[string]any{
			"metadata": map[string]any{"annotations": map[string]string{"kubemint/owner": "github:acme/till"}},
		}},
	} {
		if err := l.Cluster.Admin.Do(t.Context(), change.method, change.path, change.body, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// snapshot is the resourceVersion of each object of the kinds that kubemint makes, in the namespaces of this test and under
// names that hold one of theirs.
func (l *limited) snapshot(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, path := range slices.Concat(harness.CredentialKinds, harness.AccessKinds, []string{"/api/v1/namespaces", harness.RolesPath("ClusterRole", ""), harness.RolesPath("ClusterRoleBinding", "")}) {
		var list metav1.PartialObjectMetadataList
		if err := l.Cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, &list); err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Items {
			ours := func(namespace string) bool {
				return item.Namespace == namespace || item.Namespace == "" && strings.Contains(item.Name, namespace)
			}
			if slices.ContainsFunc(l.Namespaces[:], ours) {
				found[path+" "+item.Namespace+"/"+item.Name] = item.ResourceVersion
			}
		}
	}
	if len(found) < 15 {
		t.Fatalf("there are only %d objects: %v", len(found), found)
	}
	return found
}

// Somebody else makes our Role between the read and the write: it is planned again, and the change set, the output and the
// log say what was found and taken away.
func TestChangedMeanwhileIsShown(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	name := "kubemint:" + namespace + ":kubemint"
	var once sync.Once
	proxy := kubetest.NewProxy(t, cluster, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/roles/"+name) {
			once.Do(func() {
				if err := cluster.Apply(t.Context(), `{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: "`+name+`", namespace: `+namespace+`,
  labels: {app.kubernetes.io/managed-by: kubemint, kubemint/service-account: `+namespace+`.kubemint}},
  rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]}`); err != nil {
					t.Error(err)
				}
			})
		}
		next.ServeHTTP(w, r)
	})
	admin, err := cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if admin, err = proxy.Kubeconfig(admin); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	env := []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=list pods"}
	said := harness.RunAs(t, dir, admin, env, 0)
	harness.AssertSays(t, said, `^note: Role `+namespace+`/`+name+` was changed by somebody else meanwhile, and is planned again$`,
		`^configured Role \S+ \(taken back from kubectl\S*\)\n +\+ list  pods\n +- get  secrets$`)
	published, err := os.ReadFile(filepath.Join(dir, "kubemint.kubeconfig.env"))
	if err != nil || !strings.Contains(string(published), `"configured":["Role `+namespace) {
		t.Errorf("%v: %s", err, published)
	}
	harness.RunAs(t, dir, admin, env, 0, "revoke")
}
