package kubetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// The requests of TestFake_AnswersAsAnAPIServer, in order: what an earlier one has made is there for
// the later ones. %s is a namespace.
const likeness = `
POST /apis/coordination.k8s.io/v1/namespaces/no-such/leases {"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"a"}}
POST /apis/coordination.k8s.io/v1/namespaces/%s/leases {"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"a","labels":{"l":"1"}}}
POST /apis/coordination.k8s.io/v1/namespaces/%s/leases {"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"a"}}
POST /apis/coordination.k8s.io/v1/namespaces/%s/leases?dryRun=All {"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"dry"}}
GET /apis/coordination.k8s.io/v1/namespaces/%s/leases/dry
GET /apis/coordination.k8s.io/v1/namespaces/%s/leases?labelSelector=l%%3D1
GET /apis/coordination.k8s.io/v1/namespaces/%s/leases?labelSelector=l%%3D2
APPLY /api/v1/namespaces/%s/serviceaccounts/ci {"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"ci","resourceVersion":"1"}}
APPLY /api/v1/namespaces/%s/serviceaccounts/ci {"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"ci","resourceVersion":"1"}}
APPLY /api/v1/namespaces/%s/serviceaccounts/ci {"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"ci"}}
APPLY /api/v1/namespaces/%s/serviceaccounts/ci {"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"ci","uid":"00000000-0000-0000-0000-000000000000"}}
APPLY /apis/rbac.authorization.k8s.io/v1/namespaces/%s/rolebindings/b {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"b"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"none"}}
APPLY /apis/rbac.authorization.k8s.io/v1/namespaces/%s/rolebindings/b {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"b"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"other"}}
GET /apis/rbac.authorization.k8s.io/v1/namespaces/%s/roles/none
DELETE /apis/coordination.k8s.io/v1/namespaces/%s/leases/a {"preconditions":{"uid":"00000000-0000-0000-0000-000000000000"}}
DELETE /apis/coordination.k8s.io/v1/namespaces/%s/leases/a {"dryRun":["All"]}
DELETE /apis/coordination.k8s.io/v1/namespaces/%s/leases/a {}
DELETE /apis/coordination.k8s.io/v1/namespaces/%s/leases/a {}
POST /api/v1/namespaces/%s/secrets {"apiVersion":"v1","kind":"Secret","metadata":{"name":"bond"}}
POST /api/v1/namespaces/%s/serviceaccounts/none/token {"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":600}}
POST /api/v1/namespaces/%s/serviceaccounts/ci/token {"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":600,"boundObjectRef":{"apiVersion":"v1","kind":"Secret","name":"none"}}}
POST /api/v1/namespaces/%s/serviceaccounts/ci/token {"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":600,"boundObjectRef":{"apiVersion":"v1","kind":"Secret","name":"bond","uid":"00000000-0000-0000-0000-000000000000"}}}
POST /api/v1/namespaces/%s/serviceaccounts/ci/token {"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":600,"boundObjectRef":{"apiVersion":"v1","kind":"Secret","name":"bond"}}}
POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews {"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectRulesReview","spec":{"namespace":"%s"}}
`

// answered sends a request and returns the parts of the answer that clients rely on.
func answered(ctx context.Context, config *rest.Config, line string) (string, error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return "", err
	}
	defer client.CloseIdleConnections()
	words := strings.SplitN(line, " ", 3)
	kind := "application/json"
	body := strings.Join(words[2:], "")
	if words[0] == "APPLY" {
		words[0] = http.MethodPatch
		words[1] += "?fieldManager=kubemint&force=true"
		kind = "application/apply-patch+yaml"
	}
	request, err := http.NewRequestWithContext(ctx, words[0], config.Host+words[1], strings.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", kind)
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	var answer struct {
		metav1.Status
		Items []struct{ metav1.ObjectMeta } `json:"items"`
	}
	_ = json.Unmarshal(data, &struct {
		*metav1.TypeMeta
		Reason  *metav1.StatusReason   `json:"reason"`
		Details **metav1.StatusDetails `json:"details"`
		Items   any                    `json:"items"`
	}{&answer.TypeMeta, &answer.Reason, &answer.Details, &answer.Items})
	text := fmt.Sprintf("%d %s %s, %d items", response.StatusCode, answer.Kind, answer.Reason, len(answer.Items))
	if answer.Details != nil && answer.Reason != "" {
		text += fmt.Sprintf(", of %s %q in %q", answer.Details.Kind, answer.Details.Name, answer.Details.Group)
	}
	return text, nil
}

// Unit tests may rely on the fake: it answers as an API server does, in the parts that clients rely on.
func TestFake_AnswersAsAnAPIServer(t *testing.T) {
	t.Parallel()
	cluster := onShared(t)
	namespace, err := cluster.CreateNamespace(t.Context(), "likeness-")
	if err != nil {
		t.Fatal(err)
	}
	fake := StartFake(t, time.Now(), namespace)
	stranger := fake.Config()
	stranger.BearerToken = "unknown"
	for line := range strings.Lines(strings.TrimSpace(strings.ReplaceAll(likeness, "%s", namespace))) {
		line = strings.ReplaceAll(strings.TrimSpace(line), "%%", "%")
		want, err := answered(t.Context(), cluster.Admin.config, line)
		if err != nil {
			t.Fatal(err)
		}
		got, err := answered(t.Context(), fake.Config(), line)
		if err != nil || got != want {
			t.Errorf("%s\nthe fake:      %s\nan API server: %s (%v)", line, got, want, err)
		}
		if got, err := answered(t.Context(), stranger, line); err != nil || !strings.HasPrefix(got, "401 Status Unauthorized") {
			t.Errorf("%s: a stranger gets %s: %v", line, got, err)
		}
	}
}
