package changes

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/kube"
)

// Ledger records the outcome of the changes so far. It is safe for concurrent use.
type Ledger struct {
	outcome access.Outcome

	mu        sync.Mutex
	applied   map[kube.Ref]client.Applied
	replanned map[kube.Ref]access.Change
}

// NewLedger returns a ledger of nothing.
func NewLedger() *Ledger {
	return &Ledger{applied: map[kube.Ref]client.Applied{}, replanned: map[kube.Ref]access.Change{}}
}

// UID returns the UID of an object that this run has applied, "" for any other.
func (l *Ledger) UID(ref kube.Ref) types.UID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.applied[ref].UID
}

// Result returns the outcome of a plan. For a run that failed it has what was not done, too.
func (l *Ledger) Result(plan access.Plan, failed bool) access.Plan {
	plan = l.Replanned(plan)
	l.mu.Lock()
	defer l.mu.Unlock()
	plan.Changes = l.outcome.Of(plan.Changes, failed)
	return plan
}

// Replanned is a plan with the changes that were planned again.
func (l *Ledger) Replanned(plan access.Plan) access.Plan {
	l.mu.Lock()
	defer l.mu.Unlock()
	plan.Changes = slices.Clone(plan.Changes)
	for i, change := range plan.Changes {
		if again, ok := l.replanned[change.Ref]; ok {
			plan.Changes[i] = again
		}
	}
	return plan
}

// did notes a change that was made. From here on its object has the version that the API server
// gave it.
func (l *Ledger) did(change access.Change, applied client.Applied) {
	if applied.UID != "" {
		//nolint:errcheck,forcetypeassert // a copy has the same type
		made := change.Apply.DeepCopyObject().(kube.Object)
		made.SetUID(applied.UID)
		made.SetResourceVersion(applied.ResourceVersion)
		change.Apply = made
		l.mu.Lock()
		l.applied[change.Ref] = applied
		l.mu.Unlock()
	}
	l.outcome.Did(change)
}

func (l *Ledger) replan(change access.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.replanned[change.Ref] = change
}
