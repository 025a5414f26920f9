package lock

import (
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
)

// SelectHarmless selects the changes that grant nothing: a new ServiceAccount, and new roles that
// nothing binds yet. They need not wait until it is known who depends on the access.
func SelectHarmless(plan access.Plan, observed access.Observed) []access.Change {
	bound := map[kube.Ref]bool{}
	for _, c := range plan.Changes {
		if c.Apply != nil && kube.IsBinding(c.Apply) && c.Verb != access.Created {
			bound[kube.RoleOf(c.Apply)] = true
		}
	}
	for _, o := range observed.Objects {
		bound[kube.RoleOf(o)] = true
	}
	return slices.DeleteFunc(slices.Clone(plan.Changes), func(c access.Change) bool {
		return c.Verb != access.Created || c.Ref.Kind == "Namespace" || kube.IsBinding(c.Apply) ||
			bound[c.Ref]
	})
}
