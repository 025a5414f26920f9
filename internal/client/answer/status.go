package answer

import (
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StatusOf returns the API server's answer, if err is one; Details is never nil.
func StatusOf(err error) (status metav1.Status, ok bool) {
	var answered apierrors.APIStatus
	if ok = errors.As(err, &answered); ok {
		status = answered.Status()
	}
	if status.Details == nil {
		status.Details = &metav1.StatusDetails{}
	}
	return status, ok
}
