package owner

import (
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/kube/metadata"
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
		metadata.AnnotationOwner: m.Owner, metadata.AnnotationOwnerName: m.OwnerName,
		metadata.AnnotationJob: m.Job, metadata.AnnotationRun: m.Run, metadata.AnnotationCommit: m.Commit,
		metadata.AnnotationAccess: m.Access,
	} {
		if value != "" {
			annotations[key] = value
		}
	}
	if !m.ExpiresAt.IsZero() {
		annotations[metadata.AnnotationExpiresAt] = m.ExpiresAt.UTC().Format(time.RFC3339)
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
	maps.Copy(all, metadata.LabelsFor(serviceAccount))
	return all
}
