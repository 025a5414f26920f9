package cluster

import (
	"regexp"
	"strconv"
)

const policyHint = "a policy, a quota or a limit of the cluster refuses it: whoever runs the cluster knows which"

// The words of an API server whose admission refuses a request: k8s.io/apiserver pkg/admission/plugin/webhook/errors
// (ToStatusErr) and pkg/admission/plugin/policy/validating (dispatcher). The webhook or policy chooses the code and the
// reason, and may leave both out.
const (
	deniedByHook = `admission webhook ".+" denied the request`
	deniedByCEL  = `ValidatingAdmissionPolicy '.+' denied request`
	hookFailed   = `failed calling webhook ("[^"]+")`
)

func deniedByPolicy(message string) bool {
	return regexp.MustCompile(deniedByHook + "|" + deniedByCEL).MatchString(message)
}

// PolicyDenied says whether a policy of the cluster refused the request, whatever its code.
func PolicyDenied(err error) bool {
	status, answered := answer(err)
	return answered && deniedByPolicy(status.Message)
}

// silentWebhook is the name, quoted, of a webhook that the API server could not ask; "" where that was not so.
func silentWebhook(message string) string {
	failed := regexp.MustCompile(hookFailed).FindStringSubmatch(message)
	if failed == nil {
		return ""
	}
	return strconv.QuoteToASCII(failed[1][1 : len(failed[1])-1])
}
