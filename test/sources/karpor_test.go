package sources

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// karpor is a stand-in for karpor-server of Karpor 0.6, as strict as its source: an API server that
// serves four groups and answers its dashboard for everything else that RBAC lets through, issues
// tokens without jti for a year at most, binds system:basic-user to nobody, runs no controllers,
// and shows a certificate of its own making.
type karpor struct {
	cluster *kubetest.ControlPlane
	proxy   *kubetest.Proxy
	dir     string
	env     []string
}

// The preset roles are about the dashboard's paths alone.
const karporRoles = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: karpor-admin}
rules:
- {nonResourceURLs: [/rest-api/v1/cluster, /rest-api/v1/cluster/*], verbs: ["*"]}
- {nonResourceURLs: [/, /login, /rest-api/*, /search, /search/*], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: karpor-guest}
rules:
- {nonResourceURLs: [/, /login, /rest-api/*, /search, /search/*], verbs: [get]}
`

func newKarpor(t *testing.T) *karpor {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	k := &karpor{dir: t.TempDir()}
	k.cluster = kubetest.New(t, kubetest.Options{NoControllers: true, APIServerArgs: []string{
		"--service-account-max-token-expiration=8760h",
		"--disable-admission-plugins=NamespaceLifecycle,ServiceAccount,MutatingAdmissionWebhook,ValidatingAdmissionWebhook",
	}})
	admin, err := k.cluster.AdminTokenKubeconfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.cluster.Apply(t.Context(), karporRoles); err != nil {
		t.Fatal(err)
	}
	const binding = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:basic-user"
	if err := k.cluster.Admin.Do(t.Context(), http.MethodDelete, binding, nil, nil); err != nil {
		t.Fatal(err)
	}
	k.proxy = kubetest.StandIn{
		Only: []string{
			"v1/namespaces", "v1/namespaces/status", "v1/namespaces/finalize", "v1/secrets", "v1/pods", "v1/pods/status",
			"v1/serviceaccounts", "v1/serviceaccounts/token", "rbac.authorization.k8s.io/v1",
		},
		Page: harness.Dashboard, OldTokens: true, Chain: true,
	}.Start(t, k.cluster)
	k.export(t, admin)
	k.env = []string{
		"KUBECONFIG=hub.kubeconfig", "PATH=" + filepath.Dir(k.cluster.Kubectl()) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"HOME=" + t.TempDir(), "KUBEMINT_DURATION=1000h", "KUBEMINT_REVOKE=false",
	}
	return k
}

// export writes the files that step one of the page leaves: the exported kubeconfig, and the hub's
// certificates.
func (k *karpor) export(t *testing.T, admin []byte) {
	t.Helper()
	content, err := k.proxy.Kubeconfig(admin)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.Load(content)
	if err != nil {
		t.Fatal(err)
	}
	for _, cluster := range config.Clusters {
		cluster.CertificateAuthorityData, cluster.InsecureSkipTLSVerify = nil, true
	}
	if content, err = clientcmd.Write(*config); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"hub.kubeconfig": content, "hub.crt": k.proxy.Certificates()} {
		if err := os.WriteFile(filepath.Join(k.dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs kubemint and demands its exit code and what it says: each a regular expression for a
// line.
func (k *karpor) run(t *testing.T, code int, env []string, args ...string) (said string) {
	t.Helper()
	return harness.RunExpecting(t, k.dir, append(k.env, env...), code, args...)
}

// written is the credential of a file of the test's directory.
func (k *karpor) written(t *testing.T, name string) *kubetest.Client {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(k.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubetest.NewClient(content)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// may asks for a path of the dashboard.
func may(t *testing.T, client *kubetest.Client, method, path string, want bool) {
	t.Helper()
	err := client.Do(t.Context(), method, path, nil, nil)
	if got := !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err); got != want {
		t.Errorf("%s %s: %v", method, path, err)
	}
}

// The page docs/tasks/karpor.md, as a reader would type it: all but what is asked of the cluster
// around Karpor.
func TestKarporByThePage(t *testing.T) {
	t.Parallel()
	k := newKarpor(t)
	page, err := os.ReadFile("docs/tasks/karpor.md")
	if err != nil {
		t.Fatal(err)
	}
	var script bytes.Buffer
	script.WriteString("set -eu\n")
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(block[1], "kubectl -n karpor ") {
			script.WriteString("echo '> '" + "\n" + block[1])
		}
	}
	commands := strings.ReplaceAll(script.String(), "https://127.0.0.1:7443", k.proxy.URL())
	before, after, found := strings.Cut(commands, "kubemint prune --all\n")
	if !found || strings.Count(before, "\nkubemint\n") != 2 {
		t.Fatalf("the page has other commands now: %s", commands)
	}
	said := k.sh(t, before)
	harness.AssertSays(t, said, `^created    ServiceAccount default/karpor-admin$`, `^created    ServiceAccount default/karpor-guest$`,
		`^created    ClusterRoleBinding kubemint:default:karpor-guest:clusterrole:karpor-guest$`,
		`^minted a token for default/karpor-admin \(asked 1000h, granted 1000h, .*, id sha256:[0-9a-f]{16}\)$`)
	admin, guest := k.written(t, "karpor-admin.kubeconfig"), k.written(t, "karpor-guest.kubeconfig")
	may(t, admin, http.MethodPost, "/rest-api/v1/cluster/new", true)
	may(t, guest, http.MethodGet, "/rest-api/v1/cluster/new", true)
	may(t, guest, http.MethodPost, "/rest-api/v1/cluster/new", false)
	k.sh(t, "export KUBECONFIG=hub.kubeconfig KUBEMINT_SERVICE_ACCOUNT=karpor-guest KUBEMINT_ROLE=cluster:karpor-guest\n"+
		"kubemint prune --all\n"+after)
	k.awaitRefusal(t, guest)
	may(t, admin, http.MethodGet, "/login", true)
}

// sh runs lines of a page. Of the inputs they get none but what they set.
func (k *karpor) sh(t *testing.T, script string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", "-c", script)
	command.Dir, command.Env = k.dir, append([]string{harness.StateIn(k.dir)}, k.env[1:3]...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, out, script)
	}
	return string(out)
}

func (k *karpor) awaitRefusal(t *testing.T, client *kubetest.Client) {
	t.Helper()
	harness.AwaitDeath(t, "a token of a deleted account", client)
}

// What a reader of Karpor's own page wants, and what happens instead where it cannot be.
func TestKarpor(t *testing.T) {
	t.Parallel()
	k := newKarpor(t)
	admin := []string{"KUBEMINT_SERVICE_ACCOUNT=karpor-admin", "KUBEMINT_ROLE=cluster:karpor-admin"}

	said := k.run(t, 3, admin)
	harness.AssertSays(t, said, `^error: .*insecure-skip-tls-verify`)
	k.env = append(k.env, "KUBEMINT_ALLOW_INSECURE=true")

	t.Log("the defaults name what is missing, and leave nothing")
	said = k.run(t, 5, append(admin, "KUBEMINT_REVOKE=true"))
	harness.AssertSays(t, said, `^error: create Lease default/kubemint-karpor-admin-[a-z0-9]+: this API server does not serve leases \(coordination.k8s.io/v1\)$`,
		"^hint: set `revoke: false`: the token then has no lease, and lives to its expiry$")
	quiet(t, said, "proxy", "login", "selfsubject", "delete lease", "may live")

	t.Log("1000h")
	said = k.run(t, 0, admin)
	harness.AssertSays(t, said, `\(asked 1000h, granted 1000h, `, `^warning: unproven: that its access is in effect \(ServiceAccount default/karpor-admin may not ask .*\)$`)
	quiet(t, said, "granted .* of the", "proxy", "bootstrap", "that the token is")
	if strings.Count(said, "unproven") != 1 {
		t.Errorf("said more than once what is unproven: %s", said)
	}
	first := k.written(t, "kubemint.kubeconfig")
	may(t, first, http.MethodPost, "/rest-api/v1/cluster/new", true)

	t.Log("again, into the same file, and more than a year")
	said = k.run(t, 0, append(admin, "KUBEMINT_DURATION=10000h"))
	harness.AssertSays(t, said, `\(asked 10000h, granted 8760h, `, `^warning: the API server granted 8760h of the 10000h asked for`, `^unchanged  2 objects$`)
	said = k.run(t, 5, append(admin, "KUBEMINT_DURATION=10000h", "KUBEMINT_ON_SHORTENED=fail"))
	harness.AssertSays(t, said, `^error: mint token for default/karpor-admin: the API server granted 8760h of the 10000h asked for$`,
		`^hint: a token of ServiceAccount default/karpor-admin was minted without a lease .*; it is valid until `)
	may(t, k.written(t, "kubemint.kubeconfig"), http.MethodPost, "/rest-api/v1/cluster/new", true)

	t.Log("a guest in a namespace that is not there, since nothing on the hub looks for one")
	said = k.run(t, 0, []string{"KUBEMINT_SERVICE_ACCOUNT=users/karpor-guest", "KUBEMINT_ROLE=cluster:karpor-guest", "KUBEMINT_OUTPUT=guest"})
	harness.AssertSays(t, said, `^created    ServiceAccount users/karpor-guest$`)
	may(t, k.written(t, "guest"), http.MethodPost, "/rest-api/v1/cluster/new", false)

	t.Log("the preset roles count at cluster scope alone")
	said = k.run(t, 0, []string{"KUBEMINT_SERVICE_ACCOUNT=karpor-guest", "KUBEMINT_ROLE=karpor-guest", "KUBEMINT_OUTPUT=nothing"})
	harness.AssertSays(t, said, "^warning: ClusterRole karpor-guest grants nothing in namespace default: .* as `cluster:karpor-guest`$")

	k.others(t, admin)

	t.Log("revoke leaves it, and the end of the account ends the token")
	harness.AssertSays(t, k.run(t, 0, admin, "revoke"), `^nothing to revoke: the credential was minted with `+"`revoke: false`")
	may(t, first, http.MethodGet, "/login", true)
	harness.AssertSays(t, k.run(t, 0, admin, "prune", "--all"), `^deleted    ServiceAccount default/karpor-admin$`)
	k.awaitRefusal(t, first)
}

func quiet(t *testing.T, said string, words ...string) {
	t.Helper()
	for _, word := range words {
		if regexp.MustCompile(word).MatchString(said) {
			t.Errorf("says %q: %s", word, said)
		}
	}
}

// others are the other commands and inputs on such a server.
func (k *karpor) others(t *testing.T, admin []string) {
	t.Helper()
	t.Log("plan and sweep work, exec and ephemeral say why they do not")
	harness.AssertSays(t, k.run(t, 0, admin, "plan"), `^dry run: nothing was changed and nothing minted$`)
	harness.AssertSays(t, k.run(t, 0, admin, "sweep"), `^note: this API server does not serve leases`, `^swept: 0 objects deleted`)
	said := k.run(t, 125, append(admin, "KUBEMINT_REVOKE="), "exec", "--", "true")
	harness.AssertSays(t, said, `this API server does not serve leases`, "^hint: kubemint exec ends a credential by its lease")
	said = k.run(t, 5, append(admin, "KUBEMINT_REVOKE=", "KUBEMINT_EPHEMERAL=true", "KUBEMINT_OUTPUT=none"))
	harness.AssertSays(t, said, "^hint: an ephemeral identity takes a lease: leave `ephemeral` out")

	t.Log("must_not cannot be proved")
	said = k.run(t, 5, append(admin, "KUBEMINT_MUST_NOT=get secrets", "KUBEMINT_OUTPUT=none"))
	harness.AssertSays(t, said, `^error: prove must_not: ServiceAccount default/karpor-admin may not ask .*, so what the credential may not do stays unproven$`,
		"^hint: have the account ask: add to `rules`  cluster create selfsubjectreviews.authentication.k8s.io,")
	quiet(t, said, "bootstrap", "runner's identity")
	if _, err := os.Stat(filepath.Join(k.dir, "none")); err == nil {
		t.Error("a run that failed has written its kubeconfig")
	}
}
