package explain

import "strings"

// byGuard is in the message of a policy of a guard: command/bootstrap/guard names its policies so.
const byGuard = "ValidatingAdmissionPolicy 'kubemint-guard."

// DeniedByGuard says whether a message is the refusal of a guard.
func DeniedByGuard(message string) bool { return strings.Contains(message, byGuard) }

// AdviseDenied is the remedy for a request that admission denies with this message.
func AdviseDenied(message string) string {
	if DeniedByGuard(message) {
		return "it is the guard of this runner, which was printed for other inputs: have an " +
			"administrator print it for these (kubemint bootstrap --guard) and apply it"
	}
	return "a policy, a quota or a limit of the cluster refuses it: whoever runs the cluster knows which"
}
