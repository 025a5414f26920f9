package main

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/access"
)

// isLock says whether a Lease is the lock of the account that its label names, and not that of a credential.
func isLock(o metav1.PartialObjectMetadata) bool {
	account, ours := strings.CutPrefix(o.Labels[access.LabelServiceAccount], o.Namespace+".")
	return ours && o.Name == access.LockName(account)
}
