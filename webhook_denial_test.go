package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/kubetest"
)

// denyingWebhook answers as Kyverno does: it denies, and gives neither code nor reason.
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
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": %q, "allowed": false,
			"status": {"message": "blocked due to the following policies: require-labels"}}}`, review.Request.UID)
	}))
	t.Cleanup(hook.Close)
	return hook
}

// A plan and a run say the same of what a webhook denies, whatever it denies: a policy's words, and no "run again".
func TestWebhookDenial_WithoutCode(t *testing.T) {
	t.Parallel()
	cluster, _ := sharedCluster(t)
	hook := denyingWebhook(t)
	authority := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hook.Certificate().Raw}))
	const policy = `^hint: a policy, a quota or a limit of the cluster refuses it: whoever runs the cluster knows which$`
	const way = "^hint: or set `revoke: false`, and the token lives to its expiry without a lease$"
	for resource, tt := range map[string]struct {
		group, probe string
		said         []string
	}{
		"serviceaccounts": {"", `{apiVersion: v1, kind: ServiceAccount, metadata: {name: probe}}`, []string{`^error: apply ServiceAccount `, policy}},
		"rolebindings": {"rbac.authorization.k8s.io", `{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: probe},
			roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}`, []string{`^error: apply RoleBinding `, policy}},
		"leases":  {"coordination.k8s.io", `{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: probe}}`, []string{`^error: create Lease `, policy, way}},
		"secrets": {"", `{apiVersion: v1, kind: Secret, metadata: {name: probe}}`, []string{`^error: create Secret `, policy, way}},
	} {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			namespace, err := cluster.CreateNamespace(t.Context(), "denied-")
			if err != nil {
				t.Fatal(err)
			}
			err = cluster.Apply(t.Context(), fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: %[1]s}
webhooks:
- name: denies.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {url: "%[2]s", caBundle: %[3]s}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[1]s}}
  rules: [{apiGroups: ["%[4]s"], apiVersions: ["*"], resources: [%[5]s], operations: [CREATE]}]
`, namespace, hook.URL, authority, tt.group, resource))
			if err != nil {
				t.Fatal(err)
			}
			awaitDenial(t, cluster, namespace, tt.probe)
			env := []string{"KUBEMINT_NAMESPACE=" + namespace, "KUBEMINT_RULES=list pods"}
			for _, args := range [][]string{{"plan"}, {"mint"}} {
				said := ranAs(t, t.TempDir(), cluster.AdminKubeconfig(), env, 5, args...)
				says(t, said, append(tt.said, `denied the request: blocked due to the following policies: require-labels$`)...)
				if strings.Contains(said, "run again") {
					t.Errorf("it blames a change of the cluster:\n%s", said)
				}
			}
		})
	}
}

// awaitDenial waits until the API server asks the webhook.
func awaitDenial(t *testing.T, cluster *kubetest.ControlPlane, namespace, probe string) {
	t.Helper()
	for {
		_, err := cluster.RunKubectl(t.Context(), cluster.AdminKubeconfig(), probe, "create", "--dry-run=server", "-n", namespace, "-f", "-")
		if err != nil && strings.Contains(err.Error(), "denied the request") {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("the webhook is not asked:", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
