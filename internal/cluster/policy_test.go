package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/problem"
)

func statusError(code int32, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Message: message}}
}

func TestPolicyDenied(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]bool{
		`admission webhook "a.b" denied the request: no`:                                              true,
		`admission webhook "a.b" denied the request without explanation`:                              true,
		`secrets "x" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no`: true,
		`secrets "x" is forbidden: exceeded quota: q`:                                                 false,
		`failed calling webhook "a.b": timeout`:                                                       false,
		`roles "x" not found`:                                                                         false,
	} {
		err := fmt.Errorf("wrapped: %w", statusError(http.StatusTeapot, message))
		if got := cluster.PolicyDenied(err); got != want {
			t.Errorf("%s: %t", message, got)
		}
	}
	if cluster.PolicyDenied(errors.New(`admission webhook "x" denied the request`)) || cluster.PolicyDenied(nil) {
		t.Error("what is no answer of the API server is no denial")
	}
}

// The API server's load is not to blame where it waits for somebody else.
func TestExplain_WebhookThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { give(w, http.StatusOK, named("shop", "x")) })
	client := connect(t, s.config())
	if err := client.Get(t.Context(), object("Role", "shop", "x")); err != nil {
		t.Fatal(err)
	}
	down := statusError(http.StatusInternalServerError,
		`Internal error occurred: failed calling webhook "validate.kyverno.svc-fail": failed to call webhook: connection refused`)
	err := client.Explain(problem.Mint, "apply Role shop/x", errors.Join(down, context.DeadlineExceeded))
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Code != problem.Mint || len(p.Hints) != 1 ||
		!strings.HasPrefix(p.Hints[0], `the admission webhook "validate.kyverno.svc-fail" does not answer the API server: `) {
		t.Errorf("%+v", p)
	}
}
