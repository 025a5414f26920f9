package lifecycle

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// leak is one run whose API server repeats, in all that it says, every secret that it has seen: in a Warning header of each
// answer, and in what it refuses. Nothing of that may be read anywhere but where a secret belongs.
type leak struct {
	leakPlatform
	dir     string // of the job: all that the run writes is below it
	account string // the ServiceAccount
	env     []string
	content string // of the source's kubeconfig, in base64
	admin   string // the same of one with a client certificate, which goes past the proxy
	own     string // the source's token, which is of no form that could be known
	real    string // what the API server takes in its place

	mu      sync.Mutex // a request that the program has given up may outlast it
	fault   leakFault
	started chan *os.Process
	jobAPI  bytes.Buffer // what Buildkite's agent was asked
	secrets []string     // the source's token, a line of a client's key, and every token that was issued
}

// leakPlatform is where a run takes place.
type leakPlatform struct {
	name  string
	more  []string // of a run that publishes
	masks string   // how its mask command begins; "" where nothing masks
	debug string   // its own debug flag, or ours where it has none
	env   func(t *testing.T, l *leak) []string
}

var leakPlatforms = []leakPlatform{
	{"plain", nil, "", "KUBEMINT_DEBUG=true", func(*testing.T, *leak) []string { return nil }}, // Tekton and a shell, too
	{"gitlab", nil, "", "CI_DEBUG_TRACE=true", func(_ *testing.T, l *leak) []string {
		return []string{"GITLAB_CI=true", "CI_PROJECT_DIR=" + l.dir + "/checkout", "CI_PROJECT_PATH=acme/shop", "GITLAB_ENV=" + l.dir + "/gitlab_env"}
	}},
	{"jenkins", nil, "", "KUBEMINT_DEBUG=true", func(_ *testing.T, l *leak) []string {
		return []string{"JENKINS_URL=https://jenkins.example/", "JOB_NAME=shop", "WORKSPACE=" + l.dir + "/checkout", "WORKSPACE_TMP=" + l.dir + "/tmp"}
	}},
	{"azure", []string{"KUBEMINT_SECRET_OUTPUTS=true"}, "##vso[task.setsecret]", "SYSTEM_DEBUG=true", func(_ *testing.T, l *leak) []string {
		return []string{"TF_BUILD=True", "AGENT_TEMPDIRECTORY=" + l.dir + "/temp"}
	}},
	{"buildkite", []string{"KUBEMINT_SECRET_OUTPUTS=true"}, "", "BUILDKITE_AGENT_DEBUG=true", func(t *testing.T, l *leak) []string {
		t.Helper()
		return []string{"BUILDKITE=true", "BUILDKITE_AGENT_JOB_API_SOCKET=" + l.agent(t)}
	}},
	{"github", nil, "::add-mask::", "RUNNER_DEBUG=1", func(t *testing.T, l *leak) []string {
		t.Helper()
		env := []string{"GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=acme/shop", "GITHUB_WORKSPACE=" + l.dir + "/checkout", "RUNNER_TEMP=" + l.dir}
		for _, name := range []string{"OUTPUT", "ENV", "STATE", "STEP_SUMMARY"} {
			env = append(env, "GITHUB_"+name+"="+l.file(t, name, ""))
		}
		return env
	}},
}

// agent serves Buildkite's job API. What it is asked to redact comes before what it is asked to export, or the job's log would
// show it.
func (l *leak) agent(t *testing.T) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "job-api") //nolint:usetesting // whose name is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", dir+"/sock")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.mu.Lock()
		defer l.mu.Unlock()
		fmt.Fprintf(&l.jobAPI, "%s %s\n", r.Method, body)
		if l.fault.agent != "" && strings.HasSuffix(r.URL.Path, l.fault.agent) {
			http.Error(w, "cannot take "+string(body), http.StatusInternalServerError)
		}
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return dir + "/sock"
}

// leakFault is how a run ends.
type leakFault struct {
	code     int
	args     []string
	env      []string
	minted   bool     // a credential was minted before, by a run that worked
	on       []string // these platforms; none: all
	says     string   // in the log of such a run
	agent    string   // what Buildkite's agent fails at
	answer   leakAnswer
	anywhere bool // the run says no debug line, since it asks nobody
	leaves   bool // the directory of exec, which somebody else's sweep would find
}

// leakAnswer answers a request in the place of the API server, or leaves it.
type leakAnswer = func(l *leak, w http.ResponseWriter, r *http.Request, next http.Handler) (answered bool)

// at answers requests of a method and a path that ends so.
func at(method, end string, code int, reason metav1.StatusReason, message string) leakAnswer {
	return func(l *leak, w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Method != method || !strings.HasSuffix(r.URL.Path, strings.ReplaceAll(end, "ACCOUNT", l.account)) {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		status := metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason,
			Message: strings.ReplaceAll(message, "SAID", l.said()),
		}
		if code == http.StatusNotFound { // an API server names what it does not find
			status.Details = &metav1.StatusDetails{Kind: "namespaces", Name: "gone"}
		}
		_ = json.NewEncoder(w).Encode(status)
		return true
	}
}

// raw is an answer in the place of the API server's.
func raw(method, end string, code int, kind, body string) leakAnswer {
	return func(l *leak, w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.Method != method || !strings.HasSuffix(r.URL.Path, strings.ReplaceAll(end, "ACCOUNT", l.account)) {
			return false
		}
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "SAID", l.said()))
		return true
	}
}

// meanwhile does something to the job's files when the new credential is proved, which is right before it is written.
func meanwhile(do func(l *leak, output string)) leakAnswer {
	return func(l *leak, _ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if strings.HasSuffix(r.URL.Path, "/selfsubjectreviews") {
			_ = filepath.WalkDir(l.dir, func(path string, _ fs.DirEntry, _ error) error {
				if output, ok := strings.CutSuffix(path, ".receipt"); ok {
					do(l, output)
				}
				return nil
			})
		}
		return false
	}
}

const (
	leakReviews = "/selfsubjectreviews"
	leakRules   = "/selfsubjectrulesreviews"
	leakDenied  = `leases is forbidden: User "SAID" cannot create resource "leases" in API group "coordination.k8s.io" in the namespace "x"`
)

// few are tried where a fault takes seconds, and without the debug log.
var few = []string{"plain", "github"}

// leakFaults are the phases of every command, and what can become of them.
var leakFaults = map[string]leakFault{
	"success":                 {code: 0},
	"config":                  {code: 2, env: []string{"KUBEMINT_DURATION=soon"}, says: "is not a duration", anywhere: true},
	"source: unknown context": {code: 3, env: []string{"KUBEMINT_CONTEXT=other"}, says: "context", anywhere: true},
	"source: proxy away": {
		code: 3, env: []string{"HTTPS_PROXY=http://user:SECRET@127.0.0.1:1", "KUBEMINT_SERVER=https://cluster.example", "KUBEMINT_BEARER_TOKEN=SECRET", "KUBECONFIG="},
		says: "the proxy on the way", on: few,
	},
	"source: 401":           {code: 3, says: "401", answer: at("POST", "/leases", 401, metav1.StatusReasonUnauthorized, "no such token: SAID")},
	"rights: denied":        {code: 4, says: "[token]", answer: at("POST", "/leases", 403, metav1.StatusReasonForbidden, leakDenied)},
	"rights: missing":       {code: 4, says: "[token]", answer: at("POST", "/leases", 404, metav1.StatusReasonNotFound, "nothing for SAID")},
	"observe: no JSON":      {code: 3, says: "", answer: raw("GET", "/serviceaccounts/ACCOUNT", 200, "application/json", `{"kind":"SAID`)},
	"observe: page":         {code: 3, says: "the answer is not one of the Kubernetes API (407 ", answer: raw("GET", "/serviceaccounts/ACCOUNT", 407, "text/html", "<html>SAID</html>")},
	"ensure: refused":       {code: 5, says: "[token]", answer: at("PATCH", "/serviceaccounts/ACCOUNT", 422, metav1.StatusReasonInvalid, "webhook: SAID")},
	"ensure: not in time":   {code: 5, on: few, env: []string{"KUBEMINT_TIMEOUT=8s"}, says: "[token]", answer: raw("PATCH", "/serviceaccounts/ACCOUNT", 503, "text/plain", "away, SAID")},
	"mint: refused":         {code: 5, says: "[token]", answer: at("POST", "/token", 400, metav1.StatusReasonBadRequest, "bad request: SAID")},
	"mint: no token":        {code: 5, says: "", answer: raw("POST", "/token", 201, "application/json", `{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","status":{"token":"SAID"}}`)},
	"mint: cut":             {code: 3, says: "", answer: raw("POST", "/token", 201, "application/json", `{"kind":"TokenRequest","status":{"token":"SAID`)},
	"mint: other type":      {code: 3, says: "", answer: raw("POST", "/token", 201, "application/json", `{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","status":"SAID"}`)},
	"mint: kept for itself": {code: 5, says: "[token]", answer: keeps},
	"verify: refused":       {code: 5, says: "[token]", answer: at("POST", leakReviews, 403, metav1.StatusReasonForbidden, "not for SAID")},
	"verify: somebody else": {code: 5, says: "[token]", answer: raw("POST", leakReviews, 201, "application/json", `{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1","status":{"userInfo":{"username":"SAID"}}}`)},
	"verify: not in effect": {code: 5, says: "[token]", on: few, env: []string{"KUBEMINT_TIMEOUT=8s"}, answer: raw("POST", leakRules, 201, "application/json", `{"kind":"SelfSubjectRulesReview","apiVersion":"authorization.k8s.io/v1","status":{"resourceRules":[],"nonResourceRules":[],"incomplete":false,"evaluationError":"SAID"}}`)},
	"verify: must not":      {code: 5, says: "must_not", env: []string{"KUBEMINT_MUST_NOT=list pods"}},
	"write":                 {code: 2, says: "write ", answer: meanwhile(func(_ *leak, output string) { _ = os.MkdirAll(output+"/x", 0o700) })},
	"publish: file":         {code: 6, says: "publish outputs", on: []string{"plain", "gitlab", "jenkins", "azure", "buildkite"}, answer: meanwhile(func(_ *leak, output string) { _ = os.MkdirAll(output+".env/x", 0o700) })},
	"publish: command":      {code: 6, says: "GITHUB_OUTPUT", on: []string{"github"}, answer: meanwhile(func(l *leak, _ string) { _ = os.Remove(l.dir + "/OUTPUT") })},
	"publish: job env": {code: 6, says: "GITLAB_ENV", on: []string{"gitlab"}, answer: meanwhile(func(l *leak, _ string) {
		_ = os.Remove(l.dir + "/gitlab_env")
		_ = os.Mkdir(l.dir+"/gitlab_env", 0o700)
	})},
	"mask: agent":            {code: 6, says: "redactions", agent: "/redactions", on: []string{"buildkite"}},
	"publish: agent":         {code: 6, says: "for env", agent: "/env", on: []string{"buildkite"}},
	"rollback":               {code: 5, says: "a credential may live on", env: []string{"KUBEMINT_MUST_NOT=list pods"}, answer: refusesDelete},
	"interrupted":            {code: 143, says: "interrupted", answer: interrupts},
	"plan":                   {code: 0, args: []string{"plan"}},
	"revoke":                 {code: 0, minted: true, args: []string{"revoke"}, says: "revoked: "},
	"revoke: refused":        {code: 7, minted: true, args: []string{"revoke"}, says: "[token]", answer: refusesDelete},
	"a second mint":          {code: 0, minted: true},
	"sweep: refused":         {code: 7, args: []string{"sweep"}, says: "[token]", answer: at("GET", "/leases", 403, metav1.StatusReasonForbidden, strings.Replace(leakDenied, "cannot create", "cannot list", 1))},
	"prune: refused":         {code: 5, args: []string{"prune"}, says: "[token]", answer: at("GET", "/rolebindings", 403, metav1.StatusReasonForbidden, "not for SAID")},
	"bootstrap":              {code: 0, args: []string{"bootstrap"}, anywhere: true},
	"exec":                   {code: 9, args: []string{"exec", "--", "sh", "-c", "env; cat /proc/$$/cmdline /proc/$PPID/cmdline; exit 9"}, env: []string{"KUBEMINT_KUBECONFIG=SOURCE"}},
	"exec: mint refused":     {code: 125, args: []string{"exec", "--", "env"}, says: "[token]", answer: at("POST", "/token", 400, metav1.StatusReasonBadRequest, "bad request: SAID")},
	"exec: not taken back":   {code: 125, args: []string{"exec", "--", "env"}, says: "a credential may live on", answer: refusesDelete, leaves: true},
	"exec: no such program":  {code: 127, args: []string{"exec", "--", "no-such-program"}, says: "no-such-program", anywhere: true},
	"a client certificate":   {code: 5, says: "must_not", env: []string{"KUBEMINT_KUBECONFIG=ADMIN", "KUBEMINT_MUST_NOT=list pods"}},
	"a permanent token":      {code: 0, env: []string{"KUBEMINT_DURATION=permanent"}},
	"ephemeral, not deleted": {code: 5, says: "[token]", env: []string{"KUBEMINT_EPHEMERAL=true", "KUBEMINT_MUST_NOT=list pods"}, answer: refusesDelete},
}

func refusesDelete(l *leak, w http.ResponseWriter, r *http.Request, next http.Handler) bool {
	return at("DELETE", "", 422, metav1.StatusReasonInvalid, "webhook: SAID")(l, w, r, next)
}

// keeps has the API server issue a token, which is answered with an error that holds it: the program has never seen it.
func keeps(l *leak, w http.ResponseWriter, r *http.Request, next http.Handler) bool {
	if !strings.HasSuffix(r.URL.Path, "/token") {
		return false
	}
	issued := l.carriedOut(r, next)
	return at("POST", "/token", 400, metav1.StatusReasonBadRequest, "cannot encode "+issued.Body.String())(l, w, r, next)
}

func interrupts(l *leak, _ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
	if strings.HasSuffix(r.URL.Path, leakReviews) {
		_ = (<-l.started).Signal(syscall.SIGTERM)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	return false
}

// carriedOut has the API server carry out a request, and keeps the token that it issues.
func (l *leak) carriedOut(r *http.Request, next http.Handler) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	if issued := harness.TokenOf(answer); issued != "" && strings.HasSuffix(r.URL.Path, "/token") {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.secrets = append(l.secrets, issued)
	}
	return answer
}

// said is all that the API server should keep to itself.
func (l *leak) said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(append(l.secrets[:1:1], l.secrets[2:]...), " ") // a key is shown to nobody
}

func (l *leak) between(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
	w.Header().Add("Warning", `299 - "seen `+l.said()+`"`)
	if r.Header.Get("Authorization") == "Bearer "+l.own {
		r.Header.Set("Authorization", "Bearer "+l.real)
	}
	l.mu.Lock()
	answer := l.fault.answer
	l.mu.Unlock()
	if answer == nil || !answer(l, w, r, next) {
		harness.Deliver(w, l.carriedOut(r, next))
	}
}

func (l *leak) file(t *testing.T, name, content string) (path string) {
	t.Helper()
	path = filepath.Join(l.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newLeak prepares a job. Its source is outside of the job's directory, and its token one that Rancher could have made.
func newLeak(t *testing.T, cluster *kubetest.ControlPlane, admin []byte, namespace, account string, on leakPlatform) *leak {
	t.Helper()
	l := &leak{leakPlatform: on, dir: t.TempDir(), own: "kubeconfig-u-canary:" + strings.ToLower(rand.Text()), account: account}
	l.secrets, l.started = []string{l.own}, make(chan *os.Process, 2)
	content, err := kubetest.NewProxy(t, cluster, l.between).Kubeconfig(admin)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.Load(content)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		l.real, user.Token = user.Token, l.own
	}
	source := filepath.Join(t.TempDir(), "source")
	if err := clientcmd.WriteToFile(*config, source); err != nil {
		t.Fatal(err)
	}
	if content, err = os.ReadFile(source); err != nil {
		t.Fatal(err)
	}
	l.content, l.admin = base64.StdEncoding.EncodeToString(content), base64.StdEncoding.EncodeToString(cluster.AdminKubeconfig())
	if config, err = clientcmd.Load(cluster.AdminKubeconfig()); err != nil {
		t.Fatal(err)
	}
	for _, user := range config.AuthInfos {
		l.secrets = append(l.secrets, strings.Split(string(user.ClientKeyData), "\n")[1])
	}
	l.mu.Lock() // all that was written here is seen by who takes it next
	defer l.mu.Unlock()
	l.env = append(l.leakPlatform.env(t, l), "HOME="+l.dir, "TMPDIR="+l.dir, "PATH="+os.Getenv("PATH"), "KUBECONFIG="+source, "KUBEMINT_NAMESPACE="+namespace,
		"KUBEMINT_SERVICE_ACCOUNT="+account, "KUBEMINT_RULES=list pods")
	return l
}

// run runs the program, as loud as it can be made or with the log that everybody has.
func (l *leak) run(t *testing.T, fault leakFault, loud bool) {
	t.Helper()
	l.mu.Lock()
	l.fault = fault
	l.mu.Unlock()
	env := slices.Clone(l.env)
	if loud {
		env = append(env, "GODEBUG=http2debug=2", "AZURE_SDK_GO_LOGGING=all", l.debug)
	}
	if len(fault.args) == 0 || fault.args[0] != "exec" {
		env = append(env, l.more...)
	}
	for _, entry := range fault.env {
		env = append(env, strings.NewReplacer("SECRET", l.own, "SOURCE", l.content, "ADMIN", l.admin).Replace(entry))
	}
	if fault.minted && l.name == "github" { // the runner gives the post step what the last of these commands says
		content, _ := os.ReadFile(l.dir + "/STATE")
		found := regexp.MustCompile(`(?s).*receipt<<\S+\n(.*?)\n`).FindSubmatch(content)
		env = append(env, "STATE_receipt="+string(found[1]))
	}
	var stdout bytes.Buffer
	command, stderr := harness.Command(t, l.dir, env, fault.args...)
	command.Stdout = &stdout
	if fault.leaves { // what it leaves must not be found by the sweep of another test
		path, err := exec.LookPath("kubemint-test-private")
		if err != nil {
			t.Fatal(err)
		}
		command.Path, command.Args[0] = path, path
		command.Env = append(command.Env, "PRIVATE_DIR="+t.TempDir())
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	l.started <- command.Process
	_ = command.Wait()
	if have := command.ProcessState.ExitCode(); have != fault.code {
		t.Errorf("exit code %d, not %d", have, fault.code)
	}
	log := stderr.String()
	if !strings.Contains(log, fault.says) {
		t.Errorf("the log does not say %q", fault.says)
	}
	if debug := strings.Contains(log, "debug: "); debug != (loud && !fault.anywhere) {
		t.Errorf("debug lines: %t", debug)
	}
	l.look(t, "stdout", l.withoutMasks(stdout.String()))
	l.look(t, "stderr", l.withoutMasks(log))
	l.look(t, "what Buildkite's agent was asked", l.withoutRedactions())
	if t.Failed() {
		t.Logf("stdout:\n%s\nstderr:\n%s", stdout.String(), log)
	}
	err := filepath.WalkDir(l.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || slices.Contains([]string{"kubeconfig", "kubemint.kubeconfig"}, entry.Name()) {
			return err
		}
		content, err := os.ReadFile(path)
		if entry.Name() == "OUTPUT" {
			content = harness.CutSecretOutputs(content)
		}
		l.look(t, path, string(content))
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// withoutMasks leaves out the platform's mask command and, of a secret that stood in one, Azure's secret variables.
func (l *leak) withoutMasks(text string) string {
	var kept, masked []string
	for line := range strings.Lines(text) {
		_, value, _ := strings.Cut(strings.TrimSpace(line), "]")
		switch {
		case l.masks != "" && strings.HasPrefix(line, l.masks):
			masked = append(masked, value)
		case strings.HasPrefix(line, "##vso[task.setvariable ") && strings.Contains(line, ";issecret=true]") && slices.Contains(masked, value):
		default:
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

// withoutRedactions leaves out what the agent was asked to redact, and that wherever it stands after it.
func (l *leak) withoutRedactions() (kept string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var redacted []string
	for line := range strings.Lines(l.jobAPI.String()) {
		var body struct{ Redact string }
		if method, data, _ := strings.Cut(line, " "); method == http.MethodPost && json.Unmarshal([]byte(data), &body) == nil {
			redacted = append(redacted, body.Redact)
			continue
		}
		for _, secret := range redacted {
			line = strings.ReplaceAll(line, secret, "")
		}
		kept += line
	}
	return kept
}

var leakBase64 = regexp.MustCompile(`[A-Za-z0-9+/_-]{40,}`)

// look looks for the secrets, for what makes a token one, and for both in base64.
func (l *leak) look(t *testing.T, where, text string) {
	t.Helper()
	texts := []string{text}
	for _, run := range leakBase64.FindAllString(text, -1) {
		run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
		for start := range 4 { // it may stand right after a word
			decoded, _ := base64.RawStdEncoding.DecodeString(run[start : start+(len(run)-start)/4*4])
			texts = append(texts, string(decoded))
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, secret := range l.secrets {
		signature := secret[strings.LastIndexAny(secret, ".:")+1:]
		for j, text := range texts {
			if strings.Contains(text, signature) {
				t.Errorf("secret %d (0 is the source's, 1 a line of a client's key) is in %s, base64: %t", i, where, j > 0)
			}
		}
	}
}

// Every platform, every failure, as loud as the program can be made, and the same without debug log.
func TestNoSecretLeaks(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	admin, err := cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []string
	t.Cleanup(func() { // after the last run
		everything := &leak{secrets: all}
		for _, path := range []string{
			"/api/v1/namespaces/NS/events", "/api/v1/namespaces/NS/serviceaccounts", "/apis/coordination.k8s.io/v1/namespaces/NS/leases",
			"/apis/rbac.authorization.k8s.io/v1/namespaces/NS/roles", "/apis/rbac.authorization.k8s.io/v1/namespaces/NS/rolebindings",
		} {
			var list json.RawMessage
			if err := cluster.Admin.Do(context.Background(), http.MethodGet, strings.Replace(path, "NS", namespace, 1), nil, &list); err != nil {
				t.Error(err)
			}
			everything.look(t, path, string(list))
		}
	})
	for _, on := range leakPlatforms {
		for name, fault := range leakFaults {
			if len(fault.on) > 0 && !slices.Contains(fault.on, on.name) {
				continue
			}
			for level, loud := range map[string]bool{"debug": true, "normal": false} {
				if !loud && !slices.Contains(few, on.name) {
					continue // what it says is a part of what it says as a debug log
				}
				t.Run(on.name+"/"+name+"/"+level, func(t *testing.T) {
					t.Parallel()
					l := newLeak(t, cluster, admin, namespace, "leak-"+strings.ToLower(rand.Text()[:10]), on)
					if fault.minted {
						l.run(t, leakFault{}, loud)
					}
					l.run(t, fault, loud)
					mu.Lock()
					defer mu.Unlock()
					l.mu.Lock()
					defer l.mu.Unlock()
					all = append(all, l.secrets...)
				})
			}
		}
	}
}
