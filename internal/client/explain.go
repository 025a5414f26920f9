package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/client/wire"
	"github.com/kubemint/kubemint/internal/problem"
)

// Explain turns the failure of a request into the error that a person reads: op is "verb object",
// phase the code of what has no kind of its own. A revocation keeps the code of its phase whatever
// the kind.
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
	status, answered := statusOf(err)
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
		if hook := silentWebhook(status.Message); hook != "" {
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
		return problem.Newf(phase, op, "no answer in time: %w", withoutURL(err)).
			Hint("raise `timeout`, or see whether %s is reachable from this runner", c.server)
	case answered:
		return c.explainStatus(phase, op, status)
	}
	return c.explainUnreachable(op, err)
}

// statusOf returns the API server's answer, where err is one; Details is never nil.
func statusOf(err error) (status metav1.Status, ok bool) {
	var answered apierrors.APIStatus
	if ok = errors.As(err, &answered); ok {
		status = answered.Status()
	}
	if status.Details == nil {
		status.Details = &metav1.StatusDetails{}
	}
	return status, ok
}

// explainStatus explains a refusal of the API server.
func (c *Client) explainStatus(phase problem.Code, op string, status metav1.Status) *problem.Error {
	if user, ok := nobodyIn(status); ok {
		return explainNobody(op, user)
	}
	p := problem.New(phase, op, said{&apierrors.StatusError{ErrStatus: status}})
	if deniedByPolicy(status.Message) {
		p.Code = problem.Mint
		return p.Hint("%s", explain.AdviseDenied(status.Message))
	}
	switch status.Reason { //nolint:exhaustive // the others have no remedy of their own
	case metav1.StatusReasonUnauthorized:
		p.Code = problem.Source
		p.Cause = errors.New("the API server does not accept the runner's credential (401 Unauthorized)")
		p.Hint("log in again in an earlier step: the login has expired, or it is for another cluster")
	case metav1.StatusReasonForbidden:
		explain.Explain(p, status)
		if advice := explain.AdviseRights(c.server); advice != "" && p.Code == problem.Rights {
			p.Hint("%s", advice)
		}
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
	case NamespaceMissing(p.Cause):
		p.Cause = fmt.Errorf("namespace %s does not exist", details.Name)
		p.Hint("see whether `namespace` is spelt right, make the namespace first, " +
			"or set `create_namespace: true`")
	case strings.HasSuffix(details.Kind, "rolebindings"):
		// The answer to a binding whose role is missing names the binding's kind and the role.
		p.Cause = fmt.Errorf("there is no such role as %s", details.Name)
		p.Hint("see whether `role` is spelt right; a bare name is a ClusterRole, "+
			"`role/%s` a Role of the namespace", details.Name)
	}
}

// withoutURL is an error without the request's method and URL, which op says better, and without
// the text of a page.
func withoutURL(err error) error {
	if status, ok := statusOf(err); ok && apierrors.IsUnexpectedServerError(err) &&
		strings.Contains(status.Message, "<") {
		return fmt.Errorf("%d %s", status.Code, http.StatusText(int(status.Code)))
	}
	asked, ok := errors.AsType[*url.Error](err)
	if _, ended := errors.AsType[*endedError](err); ok && !ended { // which is bare already
		return asked.Err
	}
	return err
}

// IsUntouched says whether a failed request surely changed nothing: the API server refused it, or
// never had it.
func IsUntouched(err error) bool {
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	if discovery.Unserved(err) {
		return true
	}
	if IsUnsure(err) {
		return false
	}
	if status, answered := statusOf(err); answered {
		return status.Code < http.StatusInternalServerError
	}
	return utilnet.IsConnectionRefused(err) || errors.As(err, &dns) || errors.As(err, &certificate) ||
		proxyFault(err)
}

// IsUnsure says whether an earlier try of the failed request may have been carried out: what the
// answer is about can be its work.
func IsUnsure(err error) bool {
	_, unsure := errors.AsType[*unsureError](err)
	return unsure
}

// proxyFault says whether a proxy was not reached, or refused to connect: then the request itself
// was never sent. When a proxy refuses CONNECT, net/http keeps only the status text (transport.go,
// dialConn).
func proxyFault(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok &&
		(op.Op == "proxyconnect" || op.Op == "socks connect") {
		return true
	}
	asked, ok := errors.AsType[*url.Error](err)
	for code := http.StatusMultipleChoices; ok && code <= http.StatusNetworkAuthenticationRequired; code++ {
		if text := http.StatusText(code); text != "" && asked.Err.Error() == text {
			return true
		}
	}
	return false
}

// IsMissing says whether the API server answered that the object does not exist.
func IsMissing(err error) bool { return apierrors.IsNotFound(err) }

// IsForbidden says whether it refused the identity.
func IsForbidden(err error) bool { return apierrors.IsForbidden(err) && !PolicyDenied(err) }

// IsForeign says whether something other than an API server answered.
func IsForeign(err error) bool {
	_, page := errors.AsType[*ForeignError](err)
	_, redirect := errors.AsType[*wire.RedirectError](err)
	return page || redirect
}

// IsEscalation says whether it refused to have the identity give away what it does not hold.
func IsEscalation(err error) bool {
	status, _ := statusOf(err)
	return len(explain.HeldRules(status.Message)) > 0
}

// IsImmutable says whether it answered that a binding's role cannot be another one, which it says
// to whoever may bind that.
func IsImmutable(err error) bool {
	status, _ := statusOf(err)
	return apierrors.IsInvalid(err) &&
		slices.ContainsFunc(
			status.Details.Causes, func(c metav1.StatusCause) bool { return c.Field == "roleRef" },
		)
}

// IsConflict says whether it answered that the object is not as the request took it to be.
func IsConflict(err error) bool { return apierrors.IsConflict(err) }

// NamespaceMissing says whether it answered that the object's namespace does not exist.
func NamespaceMissing(err error) bool {
	status, _ := statusOf(err)
	return apierrors.IsNotFound(err) && status.Details.Kind == "namespaces" && status.Details.Name != ""
}

// said is the API server's answer on one line, with its reason for errors.As.
type said struct{ *apierrors.StatusError }

func (s said) Error() string { return wordsOf(s.ErrStatus) }
func (s said) Unwrap() error { return s.StatusError }

// wordsOf is what an API server said on one line, or where it said nothing, by which reason and
// code it refused.
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
