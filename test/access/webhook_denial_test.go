package access

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// denyingWebhook denies whatever it is asked. The path of its URL is the status that it gives with the
// message: {} is Kyverno's, without code and reason. For the path /silent it does not answer, and for
// /page with no review.
func denyingWebhook(t *testing.T) *httptest.Server {
	t.Helper()
	hook := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review struct {
			Request struct {
				UID types.UID `json:"uid"`
			} `json:"request"`
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, &review)
		}
		if err != nil {
			t.Error(err)
		}
		switch r.URL.Path {
		case "/silent":
			<-r.Context().Done()
			return
		case "/page":
			fmt.Fprintln(w, "<html>Log in</html>")
			return
		}
		status := map[string]any{}
		given, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(r.URL.Path, "/"))
		if err == nil {
			err = json.Unmarshal(given, &status)
		}
		if err != nil {
			t.Error(err)
		}
		status["message"] = "blocked due to the following policies: require-labels"
		w.Header().Set("Content-Type", "application/json")
		err = json.NewEncoder(w).Encode(map[string]any{
			"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
			"response": map[string]any{"uid": review.Request.UID, "allowed": false, "status": status},
		})
		if err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(hook.Close)
	return hook
}

// guarding is which requests a webhook is asked about, and where it listens.
type guarding struct{ url, group, resource, operation string }

// guarded makes a namespace in which the API server asks the webhook.
func guarded(t *testing.T, cluster *kubetest.ControlPlane, hook *httptest.Server, about guarding) string {
	t.Helper()
	namespace, err := cluster.CreateNamespace(t.Context(), "denied-")
	if err != nil {
		t.Fatal(err)
	}
	about.guard(t, cluster, hook, namespace)
	return namespace
}

func (g guarding) guard(t *testing.T, cluster *kubetest.ControlPlane, hook *httptest.Server, namespace string) {
	t.Helper()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hook.Certificate().Raw})
	err := cluster.Apply(t.Context(), fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: %[1]s}
webhooks:
- name: denies.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: 30
  clientConfig: {url: "%[2]s", caBundle: %[3]s}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[1]s}}
  rules: [{apiGroups: ["%[4]s"], apiVersions: ["*"], resources: [%[5]s], operations: [%[6]s]}]
`, namespace, g.url, base64.StdEncoding.EncodeToString(certificate), g.group, g.resource, g.operation))
	if err != nil {
		t.Fatal(err)
	}
}

// givenStatus is the URL at which the webhook gives a status.
func givenStatus(hook *httptest.Server, status string) string {
	return hook.URL + "/" + base64.RawURLEncoding.EncodeToString([]byte(status))
}

const (
	policyRefuses = `^hint: a policy, a quota or a limit of the cluster refuses it: whoever runs the cluster knows which$`
	withoutALease = "^hint: or set `revoke: false`, and the token lives to its expiry without a lease$"
)

// probes are objects to see by whether the API server asks the webhook already.
var probes = map[string]struct{ group, object string }{
	"serviceaccounts": {"", `{apiVersion: v1, kind: ServiceAccount, metadata: {name: probe}}`},
	"roles":           {"rbac.authorization.k8s.io", `{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: probe}}`},
	"rolebindings": {"rbac.authorization.k8s.io", `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: probe},
		roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}`},
	"leases":  {"coordination.k8s.io", `{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: probe}}`},
	"secrets": {"", `{apiVersion: v1, kind: Secret, metadata: {name: probe}}`},
}

// denials are answers of a webhook, by what it denies.
var denials = []struct{ resource, status string }{
	{"serviceaccounts", `{}`},
	{"serviceaccounts", `{"code": 401, "reason": "Unauthorized"}`},
	{"serviceaccounts", `{"code": 409, "reason": "Conflict"}`},
	{"serviceaccounts", `{"code": 404}`},
	{"roles", `{"code": 200}`},
	{"roles", `{"code": 409, "reason": "AlreadyExists"}`},
	{"roles", `{"code": 503, "reason": "ServiceUnavailable"}`},
	{"rolebindings", `{}`},
	{"rolebindings", `{"code": 404, "reason": "NotFound", "details": {"kind": "rolebindings", "name": "x"}}`},
	{"rolebindings", `{"code": 403, "reason": "Forbidden"}`},
	{"rolebindings", `{"code": 422, "reason": "Invalid"}`},
	{"leases", `{}`},
	{"leases", `{"code": 409, "reason": "AlreadyExists"}`},
	{"leases", `{"code": 500, "reason": "InternalError"}`},
	{"leases", `{"code": 404, "reason": "NotFound", "details": {"kind": "namespaces", "name": "x"}}`},
	{"leases", `{"code": 403, "reason": "Forbidden", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}`},
	{"secrets", `{}`},
	{"secrets", `{"code": 409, "reason": "AlreadyExists"}`},
	{"secrets", `{"code": 410, "reason": "Expired"}`},
	{"secrets", `{"code": 429, "reason": "TooManyRequests", "details": {"retryAfterSeconds": 1}}`},
	{"secrets", `{"code": 504, "reason": "Timeout"}`},
	{"secrets", `{"code": 418, "reason": "Teapot"}`},
}

// A plan and a run say the same of what a webhook denies, whatever it denies and with whatever code and
// reason: a policy's words, at once and once, and no "run again". A 404 is not a missing object, a 409 not
// somebody else's change, a 401 not a login that has expired, and a 503 is not tried again.
func TestWebhookDenial_AnyCode(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	hook := denyingWebhook(t)
	for _, tt := range denials {
		t.Run(tt.resource+" "+tt.status, func(t *testing.T) {
			t.Parallel()
			probe := probes[tt.resource]
			namespace := guarded(t, cluster, hook, guarding{givenStatus(hook, tt.status), probe.group, tt.resource, "CREATE"})
			awaitDenial(t, cluster, probe.object, "create", "--dry-run=server", "-n", namespace, "-f", "-")
			said := map[string][]string{
				"serviceaccounts": {`^error: apply ServiceAccount `, policyRefuses},
				"roles":           {`^error: apply Role `, policyRefuses},
				"rolebindings":    {`^error: apply RoleBinding `, policyRefuses},
				"leases":          {`^error: create Lease `, policyRefuses, withoutALease},
				"secrets":         {`^error: create Secret `, policyRefuses, withoutALease},
			}[tt.resource]
			env := []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=list pods", "KUBEMINT_DEBUG=true"}
			isDenied(t, cluster, env, said, "plan")
			isDenied(t, cluster, env, said, "mint")
			if left := harness.CountLeases(t, cluster, namespace); left > 0 {
				t.Errorf("%d leases are left", left)
			}
		})
	}
}

// isDenied runs a command and demands that it says of the denial what it is, and nothing else.
func isDenied(t *testing.T, cluster *kubetest.ControlPlane, env, said []string, command string) {
	t.Helper()
	dir := t.TempDir()
	out := harness.RunAs(t, dir, cluster.AdminKubeconfig(), env, 5, command)
	denied := `^error: .*denied the request: blocked due to the following policies: require-labels$`
	harness.AssertSays(t, out, append(said, denied)...)
	for _, wrong := range []string{
		"run again", "log in again", "spelt right", "somebody else", "does not exist", "not carried out in time",
	} {
		harness.AssertSaysNot(t, out, wrong)
	}
	if _, err := os.Stat(filepath.Join(dir, "kubemint.kubeconfig")); err == nil {
		t.Error("a kubeconfig is left")
	}
}

// The token itself, about which a plan does not ask, since a dry run would mint it; and the Secret of
// a permanent one.
func TestWebhookDenial_Token(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	hook := denyingWebhook(t)
	t.Run("requested", func(t *testing.T) {
		t.Parallel()
		missing := givenStatus(hook, `{"code": 404, "reason": "NotFound"}`)
		namespace := guarded(t, cluster, hook, guarding{missing, "", "serviceaccounts/token", "CREATE"})
		if _, err := harness.RunKubectlAsAdmin(t, cluster, "", "create", "serviceaccount", "probe", "-n", namespace); err != nil {
			t.Fatal(err)
		}
		awaitDenial(t, cluster, "", "create", "token", "probe", "-n", namespace)
		env := []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=list pods"}
		out := harness.RunAs(t, t.TempDir(), cluster.AdminKubeconfig(), env, 5)
		harness.AssertSays(t, out, `^error: mint token for `+namespace+`/kubemint: .*require-labels$`, policyRefuses)
	})
	t.Run("permanent", func(t *testing.T) {
		t.Parallel()
		conflict := givenStatus(hook, `{"code": 409, "reason": "Conflict"}`)
		namespace := guarded(t, cluster, hook, guarding{conflict, "", "secrets", "CREATE"})
		awaitDenial(t, cluster, probes["secrets"].object, "create", "--dry-run=server", "-n", namespace, "-f", "-")
		env := []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=list pods", "KUBEMINT_DURATION=permanent"}
		for _, args := range [][]string{{"plan"}, {"mint"}} {
			out := harness.RunAs(t, t.TempDir(), cluster.AdminKubeconfig(), env, 5, args...)
			harness.AssertSays(t, out, `^error: create Secret `+namespace+`/kubemint-token-kubemint: .*require-labels$`, policyRefuses,
				"^hint: or give `duration` a lifetime, with `revoke: false`: such a token needs no Secret$")
		}
	})
}

// A webhook that answers a deletion with "not found" has deleted nothing: the credential is not called
// revoked.
func TestWebhookDenial_OfRevocation(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	hook := denyingWebhook(t)
	namespace, err := cluster.CreateNamespace(t.Context(), "denied-")
	if err != nil {
		t.Fatal(err)
	}
	dir, env := t.TempDir(), []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=list pods"}
	harness.RunAs(t, dir, cluster.AdminKubeconfig(), env, 0)
	if _, err := harness.RunKubectlAsAdmin(t, cluster, probes["leases"].object, "create", "-n", namespace, "-f", "-"); err != nil {
		t.Fatal(err)
	}
	missing := givenStatus(hook, `{"code": 404, "reason": "NotFound"}`)
	guarding{missing, "*", "leases, secrets", "DELETE"}.guard(t, cluster, hook, namespace)
	awaitDenial(t, cluster, "", "delete", "lease", "probe", "--dry-run=server", "-n", namespace)
	out := harness.RunAs(t, dir, cluster.AdminKubeconfig(), env, 7, "revoke")
	denied := `^error: delete Lease ` + namespace + `/kubemint-kubemint-\w+: .*denied the request: .*require-labels$`
	harness.AssertSays(t, out, denied, policyRefuses)
	if strings.Contains(out, "revoked: ") {
		t.Errorf("it says that the credential is revoked:\n%s", out)
	}
	_, err = harness.RunKubectlAsAdmin(t, cluster, "", "delete", "validatingwebhookconfiguration", namespace)
	if err != nil {
		t.Fatal(err)
	}
	harness.AwaitTrue(t, func() (bool, error) {
		_, err := harness.RunKubectlAsAdmin(t, cluster, "", "delete", "lease", "probe", "--dry-run=server", "-n", namespace)
		return err == nil, err
	})
	harness.AssertSays(t, harness.RunAs(t, dir, cluster.AdminKubeconfig(), env, 0, "revoke"), `^revoked: lease `)
}

// Of a webhook that does not answer its name is told, in a plan and a run, whether nothing listens or it
// is only silent, for as long as the API server lets it.
func TestWebhook_DoesNotAnswer(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	hook := denyingWebhook(t)
	closed := bindWithoutListening(t)
	for name, tt := range map[string]struct{ url, resource, timeout, because string }{
		"nothing listens, roles":   {"https://" + closed, "roles", "8s", "connection refused"},
		"nothing listens, leases":  {"https://" + closed, "leases", "8s", "connection refused"},
		"nothing listens, secrets": {"https://" + closed, "secrets", "8s", "connection refused"},
		"not a review":             {hook.URL + "/page", "serviceaccounts", "8s", "failed calling webhook"},
		"it is silent":             {hook.URL + "/silent", "leases", "34s", "failed calling webhook"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			probe := probes[tt.resource]
			namespace := guarded(t, cluster, hook, guarding{tt.url, probe.group, tt.resource, "CREATE"})
			if name != "it is silent" {
				awaitAnswer(t, cluster, "failed calling webhook", probe.object, "create", "--dry-run=server", "-n", namespace, "-f", "-")
			} else {
				awaitAnswer(t, cluster, "Timeout", probe.object, "create", "--dry-run=server", "--request-timeout=5s", "-n", namespace, "-f", "-")
			}
			env := []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=list pods", "KUBEMINT_TIMEOUT=" + tt.timeout}
			out := harness.RunAs(t, t.TempDir(), cluster.AdminKubeconfig(), env, 5)
			harness.AssertSays(t, out, `^error: .*not carried out in time: .*`+tt.because,
				`^hint: the admission webhook "denies.example.com" does not answer the API server: `)
			if strings.Contains(out, "too many requests") || strings.Contains(out, "reachable from this runner") {
				t.Errorf("it blames something else:\n%s", out)
			}
		})
	}
}

// bindWithoutListening returns an address at which nobody listens, and nobody else will while the test runs.
func bindWithoutListening(t *testing.T) string {
	t.Helper()
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(socket) })
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port) //nolint:forcetypeassert // it was bound to one
}

// awaitDenial waits until the API server asks the webhook.
func awaitDenial(t *testing.T, cluster *kubetest.ControlPlane, object string, args ...string) {
	t.Helper()
	awaitAnswer(t, cluster, "denied the request", object, args...)
}

func awaitAnswer(t *testing.T, cluster *kubetest.ControlPlane, answer, object string, args ...string) {
	t.Helper()
	harness.AwaitTrue(t, func() (bool, error) {
		_, err := harness.RunKubectlAsAdmin(t, cluster, object, args...)
		return err != nil && strings.Contains(err.Error(), answer), err
	})
}
