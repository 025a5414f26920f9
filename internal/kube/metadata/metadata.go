package metadata

import (
	"crypto/sha256"
	"encoding/hex"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// The marks on everything that we make. The label prefix is deliberately no domain name: nobody can
// take it away.
const (
	LabelManagedBy      = "app.kubernetes.io/managed-by"
	LabelServiceAccount = "kubemint/service-account"
	AnnotationOwner     = "kubemint/owner"
	AnnotationOwnerName = "kubemint/owner-name" // readable; never compared
	AnnotationJob       = "kubemint/job"
	AnnotationRun       = "kubemint/run"
	AnnotationCommit    = "kubemint/commit"
	AnnotationExpiresAt = "kubemint/expires-at" // RFC 3339
	AnnotationAccess    = "kubemint/access"     // of a lease and of the lock: see [access.Desired.Hash]
	ManagedBy           = "kubemint"
)

// Managed is the label of everything that kubemint makes.
var Managed = map[string]string{LabelManagedBy: ManagedBy}

// LabelsFor are ours on everything made for a ServiceAccount, a lease included: what it is found
// by.
func LabelsFor(serviceAccount types.NamespacedName) map[string]string {
	return map[string]string{LabelManagedBy: ManagedBy, LabelServiceAccount: labelValue(serviceAccount)}
}

// labelValue is unambiguous, since a namespace's name has no dot. A longer one than a label may
// hold is hashed.
func labelValue(serviceAccount types.NamespacedName) string {
	value := serviceAccount.Namespace + "." + serviceAccount.Name
	if len(value) <= validation.LabelValueMaxLength {
		return value
	}
	sum := sha256.Sum256([]byte(value))
	return "sha256-" + hex.EncodeToString(sum[:])[:validation.LabelValueMaxLength-len("sha256-")]
}

// IsManaged says whether an object bears our marks for this ServiceAccount.
func IsManaged(o metav1.Object, serviceAccount types.NamespacedName) bool {
	for key, value := range LabelsFor(serviceAccount) {
		if o.GetLabels()[key] != value {
			return false
		}
	}
	return true
}
