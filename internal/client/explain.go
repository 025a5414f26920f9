package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/problem"
)

// Explain turns the failure of a request into the error that a person reads: op is "verb object",
// phase the code of an error that has no kind of its own. A revocation always keeps the code of its
// phase.
func (c *Client) Explain(phase problem.Code, op string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*problem.Error](err); ok {
		return err
	}
	p := c.explainError(phase, op, err)
	p.Shared = p.Code == problem.Source
	if phase == problem.Revoke {
		p.Code = problem.Revoke
	}
	return p
}

func (c *Client) explainError(phase problem.Code, op string, err error) *problem.Error {
	status, answered := answer.StatusOf(err)
	var interrupted problem.Interrupted
	held, isHeld := errors.AsType[*HeldError](err)
	unserved, isUnserved := errors.AsType[*discovery.UnservedError](err)
	switch {
	case isUnserved:
		return problem.New(phase, op, unserved, unserved.Hints()...)
	case isHeld:
		return problem.New(
			phase, op, held,
			"see what set them; it is gone once they are removed with kubectl patch",
		)
	case errors.As(err, &interrupted):
		return problem.New(phase, op, err)
	case errors.Is(err, context.DeadlineExceeded):
		if !c.heard.Load() {
			phase = problem.Source // what never answers is out of reach
		}
		if hook := answer.SilentWebhook(status.Message); hook != "" {
			return problem.Newf(phase, op, "not carried out in time: %w", err).
				Hint(
					"the admission webhook %s does not answer the API server: whoever runs the cluster knows what serves it",
					hook,
				)
		}
		if answered {
			return problem.Newf(phase, op, "not carried out in time: %w", err).
				Hint("raise `timeout`, or see why %s fails or has too many requests (its priority levels, "+
					"for this runner's identity)", c.server)
		}
		return problem.Newf(phase, op, "no answer in time: %w", answer.WithoutURL(err)).
			Hint("raise `timeout`, or see whether %s is reachable from this runner", c.server)
	case answered:
		return c.explainStatus(phase, op, status)
	}
	return c.explainUnreachable(op, err)
}

// explainStatus explains a refusal of the API server.
func (c *Client) explainStatus(phase problem.Code, op string, status metav1.Status) *problem.Error {
	if user, ok := anonymousIn(status); ok {
		return explainAnonymous(op, user)
	}
	p := problem.New(phase, op, said{&apierrors.StatusError{ErrStatus: status}})
	if answer.DeniedByPolicy(status.Message) {
		p.Code = problem.Mint
		return p.Hint("%s", explain.AdviseDenied(status.Message))
	}
	switch status.Reason { //nolint:exhaustive // the others have no remedy of their own
	case metav1.StatusReasonUnauthorized:
		p.Code = problem.Source
		p.Cause = errors.New("the API server does not accept the runner's credential (401 Unauthorized)")
		c.Login(p)
	case metav1.StatusReasonForbidden:
		explain.Explain(p, status, c.server)
		c.Login(p)
	case metav1.StatusReasonNotFound:
		explainNotFound(p, status.Details)
	case metav1.StatusReasonConflict:
		p.Code = problem.Mint
		p.Hint("somebody else changed it at the same time: run again")
	case metav1.StatusReasonInvalid:
		p.Code = problem.Mint
	}
	switch {
	case len(p.Hints) > 0:
	case status.Reason == metav1.StatusReasonForbidden, status.Reason == metav1.StatusReasonInvalid:
		p.Hint("%s", explain.AdviseDenied(status.Message))
	default:
		p.Hint("the cluster may have changed meanwhile: run again")
	}
	return p
}

// explainNotFound explains a 404: the namespace is missing, or the role of a binding.
func explainNotFound(p *problem.Error, details *metav1.StatusDetails) {
	p.Code = problem.Rights
	switch {
	case answer.NamespaceMissing(p.Cause):
		p.Cause = fmt.Errorf("namespace %s does not exist", details.Name)
		p.Hint("see whether `namespace` is spelt right, make the namespace first, " +
			"or set `create_namespace: true`")
	case strings.HasSuffix(details.Kind, "rolebindings"):
		// The answer to a binding whose role is missing names the binding's kind and the role.
		p.Cause = fmt.Errorf("no such role: %s", details.Name)
		p.Hint("see whether `role` is spelt right; a bare name is a ClusterRole, "+
			"`role/%s` a Role of the namespace", details.Name)
	}
}

// said is the API server's answer on one line, with its reason for errors.As.
type said struct{ *apierrors.StatusError }

func (s said) Error() string { return wordsOf(s.ErrStatus) }
func (s said) Unwrap() error { return s.StatusError }

// wordsOf returns an API server's message on one line, or its reason and code if it sent no
// message.
func wordsOf(status metav1.Status) string {
	if message := oneLine(status.Message); message != "" {
		return message
	}
	reason := string(status.Reason)
	if reason == "" {
		reason = http.StatusText(int(status.Code))
	}
	return fmt.Sprintf("the API server gives no message, but the reason %q (%d)", reason, status.Code)
}

func oneLine(message string) string { return strings.Join(strings.Fields(message), " ") }
