package lock

import (
	"cmp"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/problem"
)

// describeOwner says on whose behalf a Lease was made.
func describeOwner(o kube.Object) string {
	marks := o.GetAnnotations()
	var words []string
	add := func(prefix, value string) {
		if value != "" {
			// chosen by anyone allowed to write the Lease
			words = append(words, prefix+problem.ShortenText(value, 200))
		}
	}
	add("owner ", cmp.Or(marks[owner.AnnotationOwnerName], marks[owner.AnnotationOwner]))
	add("job ", marks[owner.AnnotationJob])
	add("run ", marks[owner.AnnotationRun])
	if lease, ok := o.(*coordinationv1.Lease); ok && holderOf(lease) != marks[owner.AnnotationRun] {
		add("holder ", holderOf(lease))
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}

func holderOf(lease *coordinationv1.Lease) string {
	if lease == nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}
