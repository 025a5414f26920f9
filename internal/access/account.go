package access

import corev1 "k8s.io/api/core/v1"

// automountDiffers says whether pods that run as the ServiceAccount still find a token mounted: they do where the
// account does not say.
func automountDiffers(want *corev1.ServiceAccount, have Object) bool {
	account, ok := have.(*corev1.ServiceAccount)
	if !ok {
		return false
	}
	found := account.AutomountServiceAccountToken
	return found == nil || *found != *want.AutomountServiceAccountToken
}
