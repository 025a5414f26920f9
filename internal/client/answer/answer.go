package answer

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/client/wire"
)

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
	if status, answered := StatusOf(err); answered {
		return status.Code < http.StatusInternalServerError
	}
	return utilnet.IsConnectionRefused(err) || errors.As(err, &dns) || errors.As(err, &certificate) ||
		IsProxyFault(err)
}

// IsUnsure says whether an earlier try of the failed request may have been carried out: what the
// answer is about can be its work.
func IsUnsure(err error) bool {
	_, unsure := errors.AsType[*UnsureError](err)
	return unsure
}

// IsProxyFault says whether a proxy was not reached, or refused to connect: then the request itself
// was never sent. When a proxy refuses CONNECT, net/http keeps only the status text (transport.go,
// dialConn).
func IsProxyFault(err error) bool {
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

// IsEscalation says whether the API server refused to let the identity grant rights that it does
// not hold.
func IsEscalation(err error) bool {
	status, _ := StatusOf(err)
	return len(explain.HeldRules(status.Message)) > 0
}

// IsImmutable says whether the API server answered that a binding's role cannot be changed. It says
// so only to a user allowed to bind the new role.
func IsImmutable(err error) bool {
	status, _ := StatusOf(err)
	return apierrors.IsInvalid(err) &&
		slices.ContainsFunc(
			status.Details.Causes, func(c metav1.StatusCause) bool { return c.Field == "roleRef" },
		)
}

// IsConflict says whether it answered that the object is not as the request took it to be.
func IsConflict(err error) bool { return apierrors.IsConflict(err) }

// NamespaceMissing says whether it answered that the object's namespace does not exist.
func NamespaceMissing(err error) bool {
	status, _ := StatusOf(err)
	return apierrors.IsNotFound(err) && status.Details.Kind == "namespaces" && status.Details.Name != ""
}

// NotAdmitted says whether a policy, a quota or a limit of the cluster refused the request, and not
// the identity.
func NotAdmitted(err error) bool {
	status, _ := StatusOf(err)
	return apierrors.IsForbidden(err) && !IsEscalation(err) &&
		!apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) &&
		!explain.IsDenial(status.Message)
}
