package owner

import (
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/kube"
)

// The annotations that say on whose behalf an object was made.
const (
	AnnotationOwner     = "kubemint/owner"
	AnnotationOwnerName = "kubemint/owner-name" // readable; never compared
	AnnotationJob       = "kubemint/job"
	AnnotationRun       = "kubemint/run"
	AnnotationCommit    = "kubemint/commit"
)

// Marks say on whose behalf an object was made. The run that last changed an object leaves its own.
type Marks struct {
	// Owner does not change when a repository is renamed: github:1234, gitlab:7@gitlab.example.com.
	// It is "" where the platform names none.
	Owner     string
	OwnerName string   // the same for people: acme/shop
	Formerly  []string // what earlier versions called this owner, by its name: see [Same]
	Job       string
	Run       string
	Commit    string
	Labels    map[string]string // what the user wants on everything made, next to our own
	Transient
}

// Transient are the marks of what only this run uses.
type Transient struct {
	ExpiresAt time.Time // of a lease, or of an ephemeral identity
	Access    string    // of a lease: the hash of the access that its credential was promised
}

// Annotations are the marks as annotations; an empty one is left out.
func (m Marks) Annotations() map[string]string {
	annotations := map[string]string{}
	for key, value := range map[string]string{
		AnnotationOwner: m.Owner, AnnotationOwnerName: m.OwnerName,
		AnnotationJob: m.Job, AnnotationRun: m.Run, AnnotationCommit: m.Commit,
		kube.AnnotationAccess: m.Access,
	} {
		if value != "" {
			annotations[key] = value
		}
	}
	if !m.ExpiresAt.IsZero() {
		annotations[kube.AnnotationExpiresAt] = m.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return annotations
}

// LabelsFor are the labels of everything made for a ServiceAccount: ours, and those that the user
// wants on it.
func (m Marks) LabelsFor(serviceAccount types.NamespacedName) map[string]string {
	all := maps.Clone(m.Labels)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, kube.LabelsFor(serviceAccount))
	return all
}
