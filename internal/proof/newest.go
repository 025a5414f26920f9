package proof

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
)

// FindNewest are the namespaces of the Role and of the binding that were written last, of all that
// the access consists of. An API server learns of each kind by one watch, in the order of the
// writes: one that knows these two knows the others. ok is false if that does not follow: if
// something is removed or replaced, or resourceVersions cannot be compared.
func FindNewest(plan access.Plan, observed access.Observed) (namespaces map[string]bool, ok bool) {
	last := map[string]kube.Object{} // by kind
	for _, change := range plan.Changes {
		if change.Delete != nil || len(change.Removed) > 0 {
			return nil, false
		}
		o := change.Apply
		if o == nil {
			o = observed.Objects[change.Ref]
		}
		if !strings.HasPrefix(change.Ref.Kind, "Role") {
			continue
		}
		if o == nil {
			return nil, false
		}
		before := last[change.Ref.Kind]
		if before == nil {
			last[change.Ref.Kind] = o
			continue
		}
		order, err := resourceversion.CompareResourceVersion(
			o.GetResourceVersion(), before.GetResourceVersion(),
		)
		if err != nil {
			return nil, false
		}
		if order > 0 {
			last[change.Ref.Kind] = o
		}
	}
	namespaces = map[string]bool{}
	for _, o := range last {
		namespaces[o.GetNamespace()] = true
	}
	return namespaces, true
}
