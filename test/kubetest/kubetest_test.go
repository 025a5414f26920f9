package kubetest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// shared is the control plane of the tests that only look at one. It ends with this process: life_test.go asserts that.
var shared = sync.OnceValues(func() (*ControlPlane, error) {
	return Start(context.Background(), Options{})
})

func onShared(t *testing.T) *ControlPlane {
	t.Helper()
	skipShort(t)
	cluster, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return cluster
}

func skipShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
}

func TestNewIdentityIsWhoItSaysAndMayDoNothing(t *testing.T) {
	t.Parallel()
	cluster := onShared(t)
	client := as(t, cluster, "runner", "ci", "builders")
	var review authenticationv1.SelfSubjectReview
	if err := client.Do(t.Context(), http.MethodPost, "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, &review); err != nil {
		t.Fatal(err)
	}
	if user := review.Status.UserInfo; user.Username != "runner" || strings.Join(user.Groups, " ") != "ci builders system:authenticated" {
		t.Errorf("the identity is %+v", user)
	}
	err := client.Do(t.Context(), http.MethodGet, "/api/v1/namespaces/default/pods", nil, nil)
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `User "runner" cannot list resource "pods"`) {
		t.Errorf("list pods: %v", err)
	}
}

func TestServiceAccountTokenIsThatServiceAccount(t *testing.T) {
	t.Parallel()
	cluster := onShared(t)
	kubeconfig, err := cluster.TokenKubeconfig(t.Context(), "default", "default", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	out, err := cluster.RunKubectl(t.Context(), kubeconfig, "", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
	if err != nil || out != "system:serviceaccount:default:default" {
		t.Errorf("kubectl auth whoami: %q, %v", out, err)
	}
}

func TestKubectlKnowsTheVersionOfTheServer(t *testing.T) {
	t.Parallel()
	cluster := onShared(t)
	out, err := cluster.RunKubectl(t.Context(), cluster.AdminKubeconfig(), "", "version")
	if err != nil || strings.Count(out, "Version: v1.") < 2 {
		t.Errorf("kubectl version: %v: %s", err, out)
	}
}

func TestEditIsAggregated(t *testing.T) {
	t.Parallel()
	cluster := onShared(t)
	name := namespace(t, cluster)
	binding := fmt.Sprintf(`
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: editor, namespace: %s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: editor}]`, name)
	if err := cluster.Apply(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	client := as(t, cluster, "editor")
	eventually(t, func() error {
		return client.Do(t.Context(), http.MethodGet, "/apis/apps/v1/namespaces/"+name+"/deployments", nil, nil)
	})
	kubeconfig, err := cluster.ClientKubeconfig("editor")
	if err != nil {
		t.Fatal(err)
	}
	for question, want := range map[string]string{
		"create deployments.apps":                       "yes", // edit's own
		"get pods":                                      "yes", // view's
		"create serviceaccounts/token":                  "yes",
		"create rolebindings.rbac.authorization.k8s.io": "no", // admin's
	} {
		args := append([]string{"auth", "can-i", "-n", name}, strings.Fields(question)...)
		out, err := cluster.RunKubectl(t.Context(), kubeconfig, "", args...)
		if got := strings.TrimSpace(out); got != want { // exits 1 on no
			t.Errorf("can edit %s: %q, want %q (%v)", question, got, want, err)
		}
	}
	err = client.Do(t.Context(), http.MethodGet, "/apis/apps/v1/namespaces/default/deployments", nil, nil)
	if !apierrors.IsForbidden(err) {
		t.Errorf("edit in another namespace: %v", err)
	}
}

func TestSecretOfDeletedLeaseIsCollected(t *testing.T) {
	t.Parallel()
	cluster := onShared(t)
	in := namespace(t, cluster)
	leases, secrets := "/apis/coordination.k8s.io/v1/namespaces/"+in+"/leases", "/api/v1/namespaces/"+in+"/secrets"
	lease := coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "job"}}
	if err := cluster.Admin.Do(t.Context(), http.MethodPost, leases, lease, &lease); err != nil {
		t.Fatal(err)
	}
	secret := corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "job", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Name: "job", UID: lease.UID},
	}}}
	if err := cluster.Admin.Do(t.Context(), http.MethodPost, secrets, secret, nil); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := cluster.Admin.Do(t.Context(), http.MethodDelete, leases+"/job", nil, nil); err != nil {
		t.Fatal(err)
	}
	gone(t, cluster, secrets+"/job")
	t.Logf("collected after %s", time.Since(begin).Round(time.Millisecond))
}

func TestDeletedNamespaceGoes(t *testing.T) {
	t.Parallel()
	cluster := onShared(t)
	path := "/api/v1/namespaces/" + namespace(t, cluster)
	if err := cluster.Admin.Do(t.Context(), http.MethodDelete, path, nil, nil); err != nil {
		t.Fatal(err)
	}
	gone(t, cluster, path)
}

func TestApplyReportsWhatTheServerRefuses(t *testing.T) {
	t.Parallel()
	cluster := onShared(t)
	err := cluster.Apply(t.Context(), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Upper, namespace: default}\n")
	if err == nil || !strings.Contains(err.Error(), `metadata.name: Invalid value: "Upper"`) {
		t.Errorf("apply an invalid name: %v", err)
	}
}

func TestTwoControlPlanesAreStrangers(t *testing.T) {
	t.Parallel()
	skipShort(t)
	one, other := New(t, Options{NoControllers: true}), New(t, Options{NoControllers: true})
	if _, err := one.CreateNamespace(t.Context(), "only-here"); err != nil {
		t.Fatal(err)
	}
	err := other.Admin.Do(t.Context(), http.MethodGet, "/api/v1/namespaces/only-here", nil, nil)
	if !apierrors.IsNotFound(err) {
		t.Errorf("the namespace of one in the other: %v", err)
	}
	trusting := other.AdminConfig() // its own certificate, but the other's CA and address
	trusting.Host, trusting.CAData = one.URL, one.CA
	stranger, err := newClient(trusting)
	if err != nil {
		t.Fatal(err)
	}
	if err := stranger.Do(t.Context(), http.MethodGet, "/api/v1/namespaces", nil, nil); !apierrors.IsUnauthorized(err) {
		t.Errorf("the administrator of one in the other: %v", err)
	}
}

func TestOptionsReplaceFlags(t *testing.T) {
	t.Parallel()
	skipShort(t)
	cluster := New(t, Options{NoControllers: true, APIServerArgs: []string{
		"--authorization-mode=AlwaysAllow", // alone, not together with RBAC
		"--service-account-max-token-expiration=1h",
	}})
	if err := as(t, cluster, "anyone").Do(t.Context(), http.MethodGet, "/api/v1/secrets", nil, nil); err != nil {
		t.Errorf("list secrets: %v", err)
	}
}

func TestPortTakenMeanwhileIsTriedAgain(t *testing.T) {
	t.Parallel()
	skipShort(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	asked := 0
	New(t, Options{NoControllers: true, port: func() (int, error) {
		if asked++; asked == 1 {
			return taken.Addr().(*net.TCPAddr).Port, nil
		}
		return freePort()
	}})
	if asked != 2 {
		t.Errorf("asked for a port %d times, want 2", asked)
	}
}

func TestDeadPartIsNamedWithItsLog(t *testing.T) {
	t.Parallel()
	skipShort(t)
	_, err := Start(t.Context(), Options{APIServerArgs: []string{"--no-such-flag"}})
	if err == nil || !strings.Contains(err.Error(), "kube-apiserver died") || !strings.Contains(err.Error(), "unknown flag: --no-such-flag") {
		t.Errorf("start with an unknown flag: %v", err)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	skipShort(t)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := Start(ctx, Options{}); err == nil || ctx.Err() == nil {
		t.Errorf("start in half a second: %v", err)
	}
}
