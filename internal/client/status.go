package client

import (
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
