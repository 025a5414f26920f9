package access

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubemint/kubemint/internal/kube"
)

// automountDiffers says whether pods that run as the ServiceAccount still find a token mounted:
// they do where the account does not say.
func automountDiffers(want *corev1.ServiceAccount, have kube.Object) bool {
	account, ok := have.(*corev1.ServiceAccount)
	if !ok {
		return false
	}
	found := account.AutomountServiceAccountToken
	return found == nil || *found != *want.AutomountServiceAccountToken
}
