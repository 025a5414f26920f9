package answer

import (
	"net/http"
	"regexp"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The words of an API server whose admission refuses a request: k8s.io/apiserver
// pkg/admission/plugin/webhook/errors (ToStatusErr) and pkg/admission/plugin/policy/validating
// (dispatcher). The webhook or policy chooses the code and the reason, and may leave both out.
const (
	deniedByHook = `admission webhook ".+" denied the request`
	deniedByCEL  = `ValidatingAdmissionPolicy '.+' denied request`
	hookFailed   = `failed calling webhook ("[^"]+")`
)

// DeniedByPolicy says whether a message is a refusal by admission.
func DeniedByPolicy(message string) bool {
	return regexp.MustCompile(deniedByHook + "|" + deniedByCEL).MatchString(message)
}

// AsDenial turns a policy's denial into a plain 403. The webhook chooses the code and the reason,
// and its 404 is not a missing object, its 409 not a conflict, its 503 not a fault that passes.
func AsDenial(err error) error {
	status, answered := StatusOf(err)
	if !answered || !DeniedByPolicy(status.Message) {
		return err
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
		Message: status.Message,
	}}
}

// PolicyDenied says whether a policy of the cluster refused the request.
func PolicyDenied(err error) bool {
	status, answered := StatusOf(err)
	return answered && DeniedByPolicy(status.Message)
}

// SilentWebhook is the name, quoted, of a webhook that the API server could not ask; "" where that
// was not so.
func SilentWebhook(message string) string {
	failed := regexp.MustCompile(hookFailed).FindStringSubmatch(message)
	if failed == nil {
		return ""
	}
	return strconv.QuoteToASCII(failed[1][1 : len(failed[1])-1])
}
