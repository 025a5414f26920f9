package sources

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/test/clouds"
	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// verifier says whose a token is, as a method Verify of package clouds.
type verifier = func(bearer string) (user string, groups []string, err error)

// cloud is a control plane as a cloud has one: its certificate has the names of all servers in testdata/kubeconfigs, and
// who a token is, verifiers say, which each test adds.
type cloud struct {
	*kubetest.ControlPlane
	mu        sync.Mutex
	verifiers []verifier
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	c := &cloud{}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		verifiers := slices.Clone(c.verifiers)
		c.mu.Unlock()
		clouds.Authenticator(verifiers...).ServeHTTP(w, r)
	}))
	t.Cleanup(hook.Close)
	config := filepath.Join(t.TempDir(), "webhook")
	err := os.WriteFile(config, []byte(`{apiVersion: v1, kind: Config, current-context: c, users: [{name: u, user: {}}],
  clusters: [{name: c, cluster: {server: "`+hook.URL+`"}}], contexts: [{name: c, context: {cluster: c, user: u}}]}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	fixtures, err := filepath.Glob("testdata/kubeconfigs/*.yaml")
	if err != nil || len(fixtures) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	var names []string
	for _, fixture := range fixtures {
		config, err := clientcmd.LoadFromFile(fixture)
		if err != nil {
			t.Fatal(err)
		}
		for _, cluster := range config.Clusters {
			names = append(names, hostOf(t, cluster.Server))
		}
	}
	c.ControlPlane = kubetest.New(t, kubetest.Options{Names: names, APIServerArgs: []string{
		"--authentication-token-webhook-config-file=" + config, "--authentication-token-webhook-version=v1",
		"--authentication-token-webhook-cache-ttl=1s", // not two minutes: a token's end has to be seen
	}})
	return c
}

func hostOf(t *testing.T, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	return u.Hostname()
}

// takes has the API server take the tokens of a cloud.
func (c *cloud) takes(verify verifier) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verifiers = append(c.verifiers, verify)
}

// cloudJob is a job with a kubeconfig, a namespace, and an Internet where the control plane has the address of the
// kubeconfig.
type cloudJob struct {
	cluster    *kubetest.ControlPlane
	internet   *clouds.Internet
	dir        string
	kubeconfig []byte
	source     string // where the kubeconfig lies: outside the checkout, as a login step writes it
	namespace  string
	env        []string // in addition to the Internet's
	stdout     string   // path of what the last process has said to its platform
}

// job takes a fixture unchanged, except for its CA, which becomes the control plane's, and for what change does. If it has
// no CA, the process trusts the control plane as the public does.
func (c *cloud) job(t *testing.T, fixture string, change func(*api.Config)) *cloudJob {
	t.Helper()
	config, err := clientcmd.LoadFromFile(filepath.Join("testdata", "kubeconfigs", fixture))
	if err != nil {
		t.Fatal(err)
	}
	n := clouds.NewInternet(t)
	for _, cluster := range config.Clusters {
		if len(cluster.CertificateAuthorityData) > 0 {
			cluster.CertificateAuthorityData = c.CA
		} else {
			n.Trust(t, c.CA)
		}
	}
	if change != nil {
		change(config)
	}
	return newCloudJob(t, c.ControlPlane, n, config)
}

func newCloudJob(t *testing.T, cluster *kubetest.ControlPlane, n *clouds.Internet, config *api.Config) *cloudJob {
	t.Helper()
	for _, c := range config.Clusters {
		n.Route(hostOf(t, c.Server), strings.TrimPrefix(cluster.URL, "https://"))
	}
	namespace, err := cluster.CreateNamespace(t.Context(), "cloud-")
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	return &cloudJob{
		cluster: cluster, internet: n, dir: t.TempDir(), kubeconfig: kubeconfig, source: filepath.Join(t.TempDir(), "source"),
		namespace: namespace, stdout: filepath.Join(t.TempDir(), "stdout"),
		env: []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=list pods"},
	}
}

// grants gives a user what `kubemint bootstrap` prints for this job, and nothing else.
func (j *cloudJob) grants(t *testing.T, user string) {
	t.Helper()
	var stderr, manifests bytes.Buffer
	code := command.Main(t.Context(), command.Process{
		Args: []string{"kubemint", "bootstrap", "--subject", "user:" + user}, Environ: j.env, Dir: j.dir, Streams: command.Streams{Stdout: &manifests, Stderr: &stderr},
	})
	if code != 0 {
		t.Fatal(&stderr)
	}
	if err := j.cluster.Apply(t.Context(), manifests.String()); err != nil {
		t.Fatal(err)
	}
	j.awaitGrant(t, user)
}

// awaitGrant waits until a user may do what was granted: a Role takes effect as a whole, a moment after it was written.
func (j *cloudJob) awaitGrant(t *testing.T, user string) {
	t.Helper()
	review := authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: j.namespace, Verb: "list", Resource: "pods"},
	}}
	for start := time.Now(); !review.Status.Allowed; time.Sleep(2 * time.Millisecond) {
		if time.Since(start) > harness.Patience {
			t.Fatalf("%s never may what was granted", user)
		}
		if err := j.cluster.Admin.Do(t.Context(), http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews", review, &review); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs the program in this job and demands its exit code. more goes before what the job has already.
func (j *cloudJob) run(t *testing.T, code int, more []string, args ...string) string {
	t.Helper()
	return j.process(t, code, "kubemint", more, args...)
}

// process runs the program by one of its names, and returns what it says to people. What it says to the platform is in
// j.stdout as soon as it is said: a file, and no pipe that somebody has yet to read.
func (j *cloudJob) process(t *testing.T, code int, name string, more []string, args ...string) string {
	t.Helper()
	var from []string
	if j.kubeconfig != nil {
		from = []string{"KUBECONFIG=" + j.source}
		if err := os.WriteFile(j.source, j.kubeconfig, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stdout, err := os.Create(j.stdout)
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	stderr := new(bytes.Buffer)
	command := exec.CommandContext(t.Context(), name, args...)
	// The race detector has each process sleep for a second before it ends, else.
	command.Dir, command.Env = j.dir, slices.Concat([]string{"GORACE=atexit_sleep_ms=0", harness.StateIn(j.dir)}, from, j.internet.Env(), j.env, more)
	command.Stdout, command.Stderr = stdout, stderr
	_ = command.Run()
	if have := command.ProcessState.ExitCode(); have != code {
		t.Errorf("%s %v: exit code %d, not %d: %s", name, args, have, code, stderr)
	}
	return stderr.String()
}

// mints runs the program, and demands that the credential that it wrote is the ServiceAccount's and may do what was
// declared.
func (j *cloudJob) mints(t *testing.T, more ...string) (said string) {
	t.Helper()
	said = j.run(t, 0, more)
	if t.Failed() {
		t.FailNow()
	}
	client := j.minted(t)
	var review authenticationv1.SelfSubjectReview
	if err := client.Do(t.Context(), http.MethodPost, "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, &review); err != nil {
		t.Fatal(err)
	}
	if have, want := review.Status.UserInfo.Username, "system:serviceaccount:"+j.namespace+":kubemint"; have != want {
		t.Errorf("the credential is %s, not %s", have, want)
	}
	if err := client.Do(t.Context(), http.MethodGet, "/api/v1/namespaces/"+j.namespace+"/pods", nil, nil); err != nil {
		t.Error(err)
	}
	return said
}

// written is the kubeconfig that the program wrote.
func (j *cloudJob) written(t *testing.T) *api.Config {
	t.Helper()
	config, err := clientcmd.LoadFromFile(filepath.Join(j.dir, "kubemint.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// minted is a client with the written credential, which goes to the control plane directly.
func (j *cloudJob) minted(t *testing.T) *kubetest.Client {
	t.Helper()
	config := j.written(t)
	for _, cluster := range config.Clusters {
		cluster.Server, cluster.CertificateAuthorityData, cluster.ProxyURL, cluster.TLSServerName = j.cluster.URL, j.cluster.CA, "", ""
	}
	content, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubetest.NewClient(content)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// asked demands what was asked of the Internet, each once; what was led to the API server is left out, and has to be there.
func (j *cloudJob) asked(t *testing.T, wanted ...string) {
	t.Helper()
	var rest []string
	led := 0
	for _, entry := range j.internet.Asked() {
		if strings.HasPrefix(entry, http.MethodConnect+" ") && !slices.Contains(j.internet.Refused(), entry) {
			led++
		} else if !slices.Contains(rest, entry) {
			rest = append(rest, entry)
		}
	}
	if led == 0 || !slices.Equal(rest, wanted) {
		t.Errorf("asked were the API server, %d times, and %q, not %q", led, rest, wanted)
	}
}

// receipt returns the content of the job's receipt, "" if it does not exist.
func (j *cloudJob) receipt(t *testing.T) string {
	t.Helper()
	for _, path := range []string{filepath.Join(j.dir, "kubemint.kubeconfig.receipt"), harness.ReceiptIn(j.dir, "kubemint.kubeconfig")} {
		content, err := os.ReadFile(path)
		if err == nil {
			return string(content)
		}
		if !os.IsNotExist(err) {
			t.Error(err)
		}
	}
	return ""
}

// hides demands that nothing of a secret is in what was said or in the receipt.
func (j *cloudJob) hides(t *testing.T, said, secret string) {
	t.Helper()
	receipt := j.receipt(t)
	for where, text := range map[string]string{"log": said, "receipt": receipt} {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is in the %s:\n%s", where, text)
		}
	}
}

// onGitHub makes the job a step of GitHub Actions on the host, whose checkout is a directory. Its inputs come as the runner
// hands them over.
func (j *cloudJob) onGitHub(t *testing.T, workspace string) {
	t.Helper()
	for i, entry := range j.env {
		if name, ok := strings.CutPrefix(entry, "KUBEMINT_"); ok {
			j.env[i] = "INPUT_" + name
		}
	}
	temp := filepath.Join(j.dir, "_temp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	j.env = append(
		j.env, "GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=acme/shop", "GITHUB_WORKFLOW=deploy", "GITHUB_JOB=release", "GITHUB_RUN_ID=4711",
		"GITHUB_SHA=f00dfeed", "GITHUB_SERVER_URL=https://github.com", "GITHUB_WORKSPACE="+workspace, "RUNNER_TEMP="+temp, "RUNNER_DEBUG=1",
		"INPUT_OUTPUT="+filepath.Join(j.dir, "kubemint.kubeconfig"),
	)
	for _, name := range []string{"OUTPUT", "ENV", "STATE", "STEP_SUMMARY"} {
		file := filepath.Join(temp, strings.ToLower(name))
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		j.env = append(j.env, "GITHUB_"+name+"="+file)
	}
}

// onGitLab makes it a job of GitLab whose checkout is the directory that the job runs in.
func (j *cloudJob) onGitLab() {
	j.env = append(
		j.env, "GITLAB_CI=true", "CI_PROJECT_DIR="+j.dir, "CI_PROJECT_PATH=acme/shop", "CI_JOB_NAME=deploy", "CI_JOB_URL=https://gitlab.example/1",
		"KUBEMINT_OUTPUT=kubemint.kubeconfig",
	)
}

// between sees each request to the API server, which is next under the path that the kubeconfig names.
type between = func(w http.ResponseWriter, r *http.Request, next http.Handler)

// fronts puts a handler in front of a server, like a proxy in front of an API server. Its certificate is the Internet's.
func (j *cloudJob) fronts(t *testing.T, server string, look between) {
	t.Helper()
	target, err := url.Parse(j.cluster.URL)
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(j.cluster.CA)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = transport
	next := http.StripPrefix(at.Path, proxy)
	j.internet.Route(at.Hostname(), "")
	j.internet.Serve(at.Hostname(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { look(w, r, next) }))
}

// fronted does so for the servers of the kubeconfig.
func (j *cloudJob) fronted(t *testing.T, look between) {
	t.Helper()
	config, err := clientcmd.Load(j.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range config.Clusters {
		if len(c.CertificateAuthorityData) > 0 {
			c.CertificateAuthorityData = j.internet.CA()
		}
		j.fronts(t, c.Server, look)
	}
	if j.kubeconfig, err = clientcmd.Write(*config); err != nil {
		t.Fatal(err)
	}
}

// leases demands how many credentials of the job's namespace are live.
func (j *cloudJob) leases(t *testing.T, want int) {
	t.Helper()
	var list metav1.PartialObjectMetadataList
	if err := j.cluster.Admin.Do(t.Context(), http.MethodGet, "/apis/coordination.k8s.io/v1/namespaces/"+j.namespace+"/leases", nil, &list); err != nil {
		t.Fatal(err)
	}
	list.Items = slices.DeleteFunc(list.Items, harness.IsLock)
	if len(list.Items) != want {
		t.Errorf("%d leases are there, not %d", len(list.Items), want)
	}
}

// file writes a file of the job, and returns where it is.
func (j *cloudJob) file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(j.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// refused demands that the login fails with exit code 3 and leaves nothing.
func (j *cloudJob) refused(t *testing.T, wanted ...string) (said string) {
	t.Helper()
	said = j.run(t, 3, nil)
	harness.AssertSays(t, said, wanted...)
	if left, _ := filepath.Glob(filepath.Join(j.dir, "kubemint.*")); len(left) > 0 {
		t.Errorf("files are left: %q", left)
	}
	return said
}

// notAccepted are the lines that the program prints if the API server does not accept the token.
var notAccepted = []string{
	`^error: .*: the API server does not accept the runner's credential \(401 Unauthorized\)$`,
	`^hint: log in again in an earlier step: the login has expired, or it is for another cluster$`,
}

// The kubeconfigs of the clouds' tools, each with the real program and a real API server, without a cloud.
func TestClouds(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	for name, test := range map[string]func(*testing.T, *cloud){
		"EKS": ofEKS, "GKE": ofGKE, "AKS": ofAKS, "of the workspace": ofTheWorkspace, "of a token in the kubeconfig": ofATokenInTheKubeconfig, "masked": ofMasks,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

// covers demands that a table has each fixture of these names.
func covers[T any](t *testing.T, table map[string]T, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		fixtures, err := filepath.Glob(filepath.Join("testdata", "kubeconfigs", pattern))
		if err != nil || len(fixtures) == 0 {
			t.Errorf("no %s: %v", pattern, err)
		}
		for _, fixture := range fixtures {
			if _, ok := table[filepath.Base(fixture)]; !ok {
				t.Errorf("no test has %s", fixture)
			}
		}
	}
}

// Those that hold a token need no cloud to give one.
func ofATokenInTheKubeconfig(t *testing.T, c *cloud) {
	t.Helper()
	for name, tc := range map[string]struct{ fixture, token, user string }{
		"GKE by get-gke-credentials": {
			"get-gke-credentials.yaml", "ya29.made-up-access-token-of-nobody", "deployer@made-up-project.iam.gserviceaccount.com",
		},
		"a server that the public trusts": {"openshift.yaml", "sha256~made-up-token-of-nobody", "deployer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := c.job(t, tc.fixture, nil)
			c.takes(func(bearer string) (string, []string, error) {
				if bearer != tc.token {
					return "", nil, errors.New("another token")
				}
				return tc.user, nil, nil
			})
			j.grants(t, tc.user)
			j.hides(t, j.mints(t), tc.token)
			j.run(t, 0, nil, "revoke")
			j.asked(t)
		})
	}
}

// ofMasks is that a cloud's token is masked, the whole of it, before it is sent anywhere, and is nowhere else.
func ofMasks(t *testing.T, c *cloud) {
	t.Helper()
	for name, login := range map[string]func(*testing.T, *cloud) (j *cloudJob, user string){"EKS": loginToEKS, "GKE": loginToGKE, "AKS": loginToAKS} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, user := login(t, c)
			j.grants(t, user)
			j.onGitHub(t, t.TempDir())
			j.isMasked(t, j.fronted)
		})
	}
}

// isMasked mints and revokes, and looks at each token that the API server is sent. The job is a step of GitHub, and fronted
// puts a handler before its API server.
func (j *cloudJob) isMasked(t *testing.T, fronted func(*testing.T, between)) {
	t.Helper()
	var mu sync.Mutex
	tokens := map[string]bool{}
	fronted(t, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		said, err := os.ReadFile(j.stdout)
		if !ok || err != nil || !slices.Contains(strings.Split(string(said), "\n"), "::add-mask::"+bearer) {
			t.Errorf("%s %s was sent with a token that is not masked", r.Method, r.URL.Path)
		}
		mu.Lock()
		tokens[bearer] = true
		mu.Unlock()
		next.ServeHTTP(w, r)
	})
	var said strings.Builder
	process := func(name string, more ...string) {
		t.Helper()
		said.WriteString(j.process(t, 0, name, more))
		stdout, err := os.ReadFile(j.stdout)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(stdout)) {
			if !strings.HasPrefix(line, "::add-mask::") {
				said.WriteString(line)
			}
		}
	}
	process("kubemint")
	if !strings.Contains(said.String(), "debug: ") {
		t.Errorf("that is no debug log:\n%s", &said)
	}
	for bearer := range tokens {
		if bearer == bearerIn(t, []byte(harness.ReadFile(t, filepath.Join(j.dir, "kubemint.kubeconfig")))) {
			delete(tokens, bearer) // later steps are given this one
		}
	}
	if len(tokens) != 1 {
		t.Errorf("%d tokens of the cloud were sent", len(tokens))
	}
	find := func() {
		t.Helper()
		err := filepath.WalkDir(j.dir, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() {
				said.WriteString("\n" + path + ":\n" + harness.ReadFile(t, path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for bearer := range tokens {
			if text := said.String(); strings.Contains(text, bearer) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(bearer))) {
				t.Errorf("the token is in:\n%s", text)
			}
		}
	}
	find()
	process("kubemint-revoke", j.state(t)...)
	find()
	j.leases(t, 0)
}

// state returns the state that the post step gets from the step: the last value of each name.
func (j *cloudJob) state(t *testing.T) (env []string) {
	t.Helper()
	kept := map[string]string{}
	lines := strings.Split(harness.ReadFile(t, filepath.Join(j.dir, "_temp", "state")), "\n")
	for i, line := range lines {
		if name, delimiter, ok := strings.Cut(line, "<<"); ok && i+2 < len(lines) && lines[i+2] == delimiter {
			kept[name] = lines[i+1]
		}
	}
	if len(kept) == 0 {
		t.Fatalf("the state is %q", lines)
	}
	for name, value := range kept {
		env = append(env, "STATE_"+name+"="+value)
	}
	return env
}

const byTheWorkspace = `, as a kubeconfig of the workspace says, which a pull request may have written$`

// hostileJobs are kubeconfigs of testdata/hostile, and what becomes of each in a job whose checkout has it. The whole table
// is in internal/source; what is shown here is that nothing before and after it undoes that.
var hostileJobs = map[string]string{
	"exec.yaml":                 `its credential comes from canary, and kubemint never runs what a kubeconfig names$`,
	"exec-named-aws.yaml":       `a token for EKS would go to api\.evil\.example` + byTheWorkspace,
	"auth-provider-cmd.yaml":    `its auth-provider gcp no longer exists: Kubernetes removed it in 1\.26$`,
	"token-file.yaml":           `it names a file as its tokenFile, which a kubeconfig of the workspace, or one that is given as content, may not: `,
	"eks-through-a-proxy.yaml":  `a token for EKS would go to 0a\.gr7\.eu-west-1\.eks\.amazonaws\.com` + byTheWorkspace,
	"gke-address.yaml":          `a token for GKE would go to 203\.0\.113\.9` + byTheWorkspace,
	"eks-own-ca.yaml":           `a token for EKS would go to 0a1b2c\.gr7\.us-east-1\.eks\.amazonaws\.com` + byTheWorkspace,
	"eks-role.yaml":             `a token for EKS would go to 0a1b2c\.gr7\.us-east-1\.eks\.amazonaws\.com` + byTheWorkspace,
	"gke-own-ca.yaml":           `a token for GKE would go to gke-0a1b2c\.us-east1\.gke\.goog` + byTheWorkspace,
	"gke-impersonates.yaml":     `a token for GKE would go to gke-0a1b2c\.us-east1\.gke\.goog` + byTheWorkspace,
	"aks-own-ca.yaml":           `a token for AKS would go to shop-0a1b2c\.hcp\.westeurope\.azmk8s\.io` + byTheWorkspace,
	"aks-managed-identity.yaml": `a token for AKS would go to shop-0a1b2c\.hcp\.westeurope\.azmk8s\.io` + byTheWorkspace,
	"acts-as-somebody.yaml":     `it acts as somebody else \(as, as-uid, as-groups, as-user-extra\), in a kubeconfig of the workspace, which a pull request may have written$`,
	"aks-authority.yaml":        `--authority-host is not a host of Entra$`,
}

// In a job that is logged in to every cloud, a kubeconfig of the checkout has nothing run, read, or asked of anybody.
func TestHostileKubeconfigsInAJob(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/hostile/kubeconfigs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range archive.Files {
		want, ok := hostileJobs[file.Name]
		if !ok {
			continue
		}
		found++
		for _, on := range []string{"GitHub", "GitLab"} {
			t.Run(file.Name+" on "+on, func(t *testing.T) {
				t.Parallel()
				isHarmless(t, on, string(file.Data), want)
			})
		}
	}
	if found != len(hostileJobs) {
		t.Errorf("%d of %d are in testdata/hostile", found, len(hostileJobs))
	}
}

func isHarmless(t *testing.T, on, hostile, want string) {
	t.Helper()
	const secret = "canary-of-another-step"
	elsewhere := t.TempDir()
	j := &cloudJob{internet: clouds.NewInternet(t), dir: t.TempDir(), stdout: filepath.Join(elsewhere, "stdout")}
	j.source = filepath.Join(j.dir, "source")
	j.internet.Serve("api.evil.example", http.NotFoundHandler())
	j.kubeconfig = []byte(os.Expand(hostile, func(name string) string {
		return map[string]string{
			"SERVER": "https://api.evil.example", "WORK": j.dir, "TEMP": elsewhere, "CA": base64.StdEncoding.EncodeToString(j.internet.CA()),
			"CANARY": j.file(t, "canary", []byte("#!/bin/sh\ntouch "+elsewhere+"/ran\n")), "SECRET": j.file(t, "secret", []byte(secret)),
		}[name]
	}))
	for _, program := range []string{"canary", "aws"} {
		script := "#!/bin/sh\ntouch " + elsewhere + "/ran\n"
		if err := os.WriteFile(filepath.Join(j.dir, program), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	keys := []string{
		"AWS_ACCESS_KEY_ID=" + secret, "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_SESSION_TOKEN=" + secret, "CLOUDSDK_AUTH_ACCESS_TOKEN=" + secret,
		"AZURE_CLIENT_ID=" + aksClient, "AZURE_TENANT_ID=" + aksTenant, "AZURE_CLIENT_SECRET=" + secret, "PATH=" + j.dir + ":" + os.Getenv("PATH"),
		"ACTIONS_ID_TOKEN_REQUEST_URL=" + idTokenURL, "ACTIONS_ID_TOKEN_REQUEST_TOKEN=" + secret, "KUBEMINT_NAMESPACE=default",
	}
	j.env = keys
	if on == "GitHub" {
		j.onGitHub(t, j.dir)
	} else {
		j.onGitLab()
	}
	j.hides(t, j.refused(t, `^error: use (user|cluster) "x": .*`+want)+harness.ReadFile(t, j.stdout), secret)
	if asked := j.internet.Asked(); len(asked) > 0 {
		t.Errorf("asked was %q", asked)
	}
	if _, err := os.Stat(filepath.Join(elsewhere, "ran")); !os.IsNotExist(err) {
		t.Errorf("a program of the kubeconfig's was run: %v", err)
	}
}
