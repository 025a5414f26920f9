package answer_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/client/answer"
)

// status is an API server's refusal.
func status(code int32, reason metav1.StatusReason, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message,
	}}
}

func TestIsUntouched(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"403": {status(403, "", ""), true}, "422": {status(422, "", ""), true}, "429": {status(429, "", ""), true}, "500": {status(500, "", ""), false}, "504": {status(504, "", ""), false},
		"refused":        {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, true},
		"no address":     {&net.DNSError{}, true},
		"not the server": {&tls.CertificateVerificationError{Err: errors.New("x")}, true},
		"cut":            {&net.OpError{Op: "read", Err: syscall.ECONNRESET}, false},
		"timeout":        {context.DeadlineExceeded, false},
	} {
		if got := answer.IsUntouched(tt.err); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestIsMissing(t *testing.T) {
	t.Parallel()
	of := func(kind string, err error) error {
		if status, ok := errors.AsType[*apierrors.StatusError](err); ok {
			status.ErrStatus.Details = &metav1.StatusDetails{Kind: kind, Name: "x"}
		}
		return fmt.Errorf("around: %w", err)
	}
	for name, tt := range map[string]struct {
		err               error
		object, namespace bool
	}{
		"an object":          {of("roles", status(404, "NotFound", "")), true, false},
		"a namespace":        {of("namespaces", status(404, "NotFound", "")), true, true},
		"without details":    {status(404, "NotFound", ""), true, false},
		"forbidden":          {of("namespaces", status(403, "Forbidden", "")), false, false},
		"no answer":          {errors.New("x"), false, false},
		"nothing went wrong": {nil, false, false},
	} {
		if object, namespace := answer.IsMissing(tt.err), answer.NamespaceMissing(tt.err); object != tt.object || namespace != tt.namespace {
			t.Errorf("%s: %t, %t", name, object, namespace)
		}
	}
}

func TestIsEscalation(t *testing.T) {
	t.Parallel()
	const escalate = `user "ci" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:`
	refused := func(message string) error {
		return fmt.Errorf("around: %w", status(http.StatusForbidden, "Forbidden", message))
	}
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"of a role":          {refused(`roles.rbac.authorization.k8s.io "x" is forbidden: ` + escalate + "\n" + `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`), true},
		"no right to do it":  {refused(`x is forbidden: User "ci" cannot patch resource "roles" in API group "rbac.authorization.k8s.io" in the namespace "shop"`), false},
		"quota":              {refused(`secrets "x" is forbidden: exceeded quota: q`), false},
		"no answer":          {errors.New(escalate), false},
		"nothing went wrong": {nil, false},
	} {
		if got := answer.IsEscalation(tt.err); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
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
		err := fmt.Errorf("wrapped: %w", status(http.StatusTeapot, "", message))
		if got := answer.PolicyDenied(err); got != want {
			t.Errorf("%s: %t", message, got)
		}
	}
	if answer.PolicyDenied(errors.New(`admission webhook "x" denied the request`)) || answer.PolicyDenied(nil) {
		t.Error("what is no answer of the API server is no denial")
	}
}
