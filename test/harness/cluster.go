package harness

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/test/kubetest"
)

// NewNamespace is the scripts' control plane, and a namespace of it for this test.
func NewNamespace(t *testing.T) (cluster *kubetest.ControlPlane, namespace string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a control plane: make test runs it")
	}
	cluster, err := Shared()
	if err != nil {
		t.Fatal(err)
	}
	if namespace, err = cluster.CreateNamespace(t.Context(), "life-"); err != nil {
		t.Fatal(err)
	}
	return cluster, namespace
}

// IsLock says whether a Lease is the lock of the account that its label names, and not that of a credential.
func IsLock(o metav1.PartialObjectMetadata) bool {
	account, ours := strings.CutPrefix(o.Labels[kube.LabelServiceAccount], o.Namespace+".")
	return ours && o.Name == lock.NameOf(account)
}

// CountLeases is how many leases of credentials are in a namespace.
func CountLeases(t *testing.T, cluster *kubetest.ControlPlane, namespace string) int {
	t.Helper()
	var list metav1.PartialObjectMetadataList
	path := "/apis/coordination.k8s.io/v1/namespaces/" + namespace + "/leases"
	if err := cluster.Admin.Do(t.Context(), http.MethodGet, path, nil, &list); err != nil {
		t.Fatal(err)
	}
	return len(slices.DeleteFunc(list.Items, IsLock))
}

// DeadWithin is how long a revoked token may still be taken: the API server caches what it has authenticated for 10 s.
const DeadWithin = 15 * time.Second

// AwaitDeath waits until the API server refuses a credential as it does one that it does not know.
func AwaitDeath(t *testing.T, what string, client *kubetest.Client) {
	t.Helper()
	var err error
	for start := time.Now(); time.Since(start) < DeadWithin; time.Sleep(50 * time.Millisecond) {
		err = client.Do(t.Context(), http.MethodGet, "/apis/authentication.k8s.io/v1", nil, nil)
		if apierrors.IsUnauthorized(err) {
			return
		}
	}
	t.Errorf("%s: %s later the API server still takes the token (%v)", what, DeadWithin, err)
}

// RolesPath is the path of the objects of an RBAC kind in a namespace or, where that is "", in the cluster.
func RolesPath(kind, namespace string) string {
	path := "/apis/rbac.authorization.k8s.io/v1/"
	if namespace != "" {
		path += "namespaces/" + namespace + "/"
	}
	return path + strings.ToLower(kind) + "s"
}

// RunKubectlAsAdmin runs kubectl as administrator.
func RunKubectlAsAdmin(t *testing.T, cluster *kubetest.ControlPlane, stdin string, args ...string) (string, error) {
	t.Helper()
	return cluster.RunKubectl(t.Context(), cluster.AdminKubeconfig(), stdin, args...)
}

// AwaitTrue asks until it is so.
func AwaitTrue(t *testing.T, isSo func() (bool, error)) {
	t.Helper()
	for deadline := time.Now().Add(Patience); ; time.Sleep(100 * time.Millisecond) {
		so, err := isSo()
		if so {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it did not come to be so; the last answer: ", err)
		}
	}
}

// IsAllowed asks the API server whether a user may do it.
func IsAllowed(ctx context.Context, cluster *kubetest.ControlPlane, namespace, user string, q rules.Question) (bool, error) {
	review := authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, Groups: []string{"system:serviceaccounts", "system:authenticated"},
	}}
	if q.URL != "" {
		review.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: q.URL, Verb: q.Verb}
	} else {
		review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: q.Verb,
			Group: q.Group, Resource: q.Resource, Subresource: q.Subresource, Name: q.Name,
		}
	}
	err := cluster.Admin.Do(ctx, http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews", review, &review)
	return review.Status.Allowed, err
}

// MountServiceAccount returns a directory as a pod of that ServiceAccount has it.
func MountServiceAccount(t *testing.T, cluster *kubetest.ControlPlane, namespace, name string) string {
	t.Helper()
	kubeconfig, err := cluster.TokenKubeconfig(t.Context(), namespace, name, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"token": config.BearerToken, "ca.crt": string(cluster.CA), "namespace": namespace,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Patience is long, since compilers may run at the same time; a script that passes never waits for it.
const Patience = time.Minute

// OtherCA is a certificate that has signed nothing here.
func OtherCA(t *testing.T) []byte {
	t.Helper()
	config, err := clientcmd.LoadFromFile(filepath.Join("testdata", "kubeconfigs", "k3s.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return config.Clusters["default"].CertificateAuthorityData
}

// ManagedSelector selects what kubemint has made.
const ManagedSelector = "?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dkubemint"

// Dashboard is the answer of a server with a user interface for any path that it does not know.
const Dashboard = "<!DOCTYPE html>\n<html><head><title>Dashboard</title></head><body><div id=\"root\"></div></body></html>\n"
