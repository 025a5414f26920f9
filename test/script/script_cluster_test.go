package script

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// These commands ask the API server themselves: a process of kubectl for each question would take most of the run time.

// objects writes one line with the resourceVersion for each object of a kind that kubemint makes, in these namespaces
// and at cluster scope under a name that holds one of theirs. Two such files are equal only if nothing was written between.
func objects(ts *testscript.TestScript, _ bool, args []string) {
	cluster, err := harness.Shared()
	ts.Check(err)
	namespaces := args[1:]
	var lines []string
	for _, path := range []string{
		"/api/v1/serviceaccounts", "/api/v1/secrets", "/apis/coordination.k8s.io/v1/leases",
		"/apis/rbac.authorization.k8s.io/v1/roles", "/apis/rbac.authorization.k8s.io/v1/rolebindings",
		"/apis/rbac.authorization.k8s.io/v1/clusterroles", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
	} {
		var list metav1.PartialObjectMetadataList
		ts.Check(cluster.Admin.Do(context.Background(), http.MethodGet, path, nil, &list))
		for _, item := range list.Items {
			if strings.HasSuffix(path, "/leases") && harness.IsLock(item) {
				continue // it changes whenever a run looks who depends on the access
			}
			named := func(namespace string) bool { return strings.Contains(item.Name, namespace) }
			if slices.Contains(namespaces, item.Namespace) || item.Namespace == "" && slices.ContainsFunc(namespaces, named) {
				lines = append(lines, fmt.Sprintf("%s %s/%s %s", path[strings.LastIndex(path, "/")+1:], item.Namespace, item.Name, item.ResourceVersion))
			}
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(append(lines, ""), "\n")), 0o600))
}

// asks sends a request with the credential of a kubeconfig and demands the reason of the answer: OK, Forbidden, NotFound, or
// one of several, as Forbidden|Unauthorized.
func asks(ts *testscript.TestScript, _ bool, args []string) {
	client, err := kubetest.NewClient([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	err = client.Do(context.Background(), args[1], args[2], nil, nil)
	have := string(apierrors.ReasonForError(err))
	if err == nil {
		have = "OK"
	}
	if !slices.Contains(strings.Split(args[3], "|"), have) {
		ts.Fatalf("%s %s: %s, not %s: %v", args[1], args[2], have, args[3], err)
	}
}

// allowed waits until the API server lets a user do something, or with ! until it no longer does: a change of RBAC takes
// effect a little after it was written. RESOURCE/SUBRESOURCE=NAME asks for one object.
func allowed(ts *testscript.TestScript, neg bool, args []string) {
	cluster, err := harness.Shared()
	ts.Check(err)
	resource, group, _ := strings.Cut(args[2], ".")
	resource, sub, _ := strings.Cut(resource, "/")
	sub, name, _ := strings.Cut(sub, "=")
	attributes := &authorizationv1.ResourceAttributes{Verb: args[1], Group: group, Resource: resource, Subresource: sub, Name: name}
	if len(args) > 3 {
		attributes.Namespace = args[3]
	}
	for start := time.Now(); time.Since(start) < harness.Patience; time.Sleep(5 * time.Millisecond) {
		review := authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: args[0], ResourceAttributes: attributes}}
		ts.Check(cluster.Admin.Do(context.Background(), http.MethodPost,
			"/apis/authorization.k8s.io/v1/subjectaccessreviews", review, &review))
		if review.Status.Allowed != neg {
			return
		}
	}
	ts.Fatalf("that %v is allowed is still %v", args, neg)
}

// until repeats a command until what it prints, on either stream, matches an expression.
func until(ts *testscript.TestScript, _ bool, args []string) {
	expression := regexp.MustCompile(args[0])
	for start := time.Now(); time.Since(start) < harness.Patience; time.Sleep(50 * time.Millisecond) {
		_ = ts.Exec(args[1], args[2:]...) // it may fail: only what it says counts
		if expression.MatchString(ts.ReadFile("stdout") + ts.ReadFile("stderr")) {
			return
		}
	}
	ts.Fatalf("%v never said %s", args[1:], args[0])
}
