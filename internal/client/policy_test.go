package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/problem"
)

func statusError(code int32, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Message: message}}
}

// A webhook may deny with any code and reason. None of them means what it would mean in the API server's
// own answer, and none is a reason to ask again.
func TestDenial_AnyCode(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // what is asked again and again ends there
	defer cancel()
	for _, status := range []metav1.Status{
		{Code: 400},
		{Code: 401, Reason: metav1.StatusReasonUnauthorized},
		{Code: 403, Reason: metav1.StatusReasonForbidden},
		{Code: 404, Reason: metav1.StatusReasonNotFound},
		{Code: 409, Reason: metav1.StatusReasonConflict},
		{Code: 409, Reason: metav1.StatusReasonAlreadyExists},
		{Code: 418, Reason: "Teapot"},
		{Code: 422, Reason: metav1.StatusReasonInvalid, Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Field: "roleRef"}}}},
		{Code: 429, Reason: metav1.StatusReasonTooManyRequests, Details: &metav1.StatusDetails{RetryAfterSeconds: 1}},
		{Code: 500, Reason: metav1.StatusReasonInternalError},
		{Code: 503, Reason: metav1.StatusReasonServiceUnavailable},
	} {
		status.Status, status.Message = metav1.StatusFailure, `admission webhook "a.b" denied the request: no`
		s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { refuse(w, status) })
		api := connect(t, s.config())
		_, err := api.ApplyObject(ctx, object("Role", "shop", "x"), false)
		if !answer.PolicyDenied(err) || !answer.NotAdmitted(err) || !answer.IsUntouched(err) {
			t.Errorf("%d %s is no denial: %v", status.Code, status.Reason, err)
		}
		if answer.IsMissing(err) || answer.IsConflict(err) || answer.IsForbidden(err) || answer.IsImmutable(err) ||
			apierrors.IsAlreadyExists(err) || apierrors.IsUnauthorized(err) {
			t.Errorf("%d %s is taken for something else", status.Code, status.Reason)
		}
		var p *problem.Error
		explained := api.Explain(problem.Mint, "apply Role shop/x", err)
		if !errors.As(explained, &p) || p.Code != problem.Mint || len(p.Hints) != 1 || !strings.HasPrefix(p.Hints[0], "a policy, ") || !answer.NotAdmitted(explained) {
			t.Errorf("%d %s: %+v", status.Code, status.Reason, p)
		}
		if asked := s.asked(); len(asked) != 1 {
			t.Errorf("%d %s was tried again: %d requests", status.Code, status.Reason, len(asked))
		}
	}
}

// What admission refuses is told from what the authorizer does.
func TestNotAdmitted(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]bool{
		`secrets "x" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=0, limited: secrets=0`:            true,
		`leases.coordination.k8s.io "x" is forbidden: status unknown for quota: q, resources: count/leases`:                 true,
		`secrets "x" is forbidden: ` + runner + ` cannot create resource "secrets" in API group "" in the namespace "shop"`: false,
		`roles "x" is forbidden: ` + escalate + "\n" + `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`:                false,
	} {
		api := connect(t, &rest.Config{Host: "https://10.0.0.1", Transport: saying(message)})
		if got := answer.NotAdmitted(applied(t.Context(), api, object("Role", "shop", "x"), false)); got != want {
			t.Errorf("%s: %t", message, got)
		}
	}
	ending := &apierrors.StatusError{ErrStatus: metav1.Status{
		Code: 403, Reason: metav1.StatusReasonForbidden,
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}},
	}}
	if answer.NotAdmitted(ending) || answer.NotAdmitted(errors.New("x")) || answer.NotAdmitted(nil) {
		t.Error("a namespace that is being deleted is no policy")
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
