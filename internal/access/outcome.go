package access

import (
	"sync"

	"github.com/kubemint/kubemint/internal/kube"
)

// Outcome records the results of planned changes. It is safe for concurrent use.
type Outcome struct {
	mu        sync.Mutex
	done      map[kube.Ref]Change
	uncertain map[kube.Ref]bool
}

// Did notes a change that was made.
func (o *Outcome) Did(change Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done == nil {
		o.done = map[kube.Ref]Change{}
	}
	o.done[change.Ref] = change
}

// Failed notes a request that failed; without an answer (untouched is false) it may have been
// carried out.
func (o *Outcome) Failed(ref kube.Ref, untouched bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.uncertain == nil {
		o.uncertain = map[kube.Ref]bool{}
	}
	o.uncertain[ref] = !untouched
}

// Of returns the outcome of a plan: first what was done and what did not change, then what a failed
// run left undone.
func (o *Outcome) Of(changes []Change, failed bool) []Change {
	o.mu.Lock()
	defer o.mu.Unlock()
	var made, left []Change
	for _, change := range changes {
		did, ok := o.done[change.Ref]
		switch {
		case ok:
			made = append(made, did)
		case change.Verb == Unchanged:
			made = append(made, change)
		case o.uncertain[change.Ref]:
			left = append(left, Change{Verb: Uncertain, Ref: change.Ref})
		case failed:
			left = append(left, Change{Verb: NotDone, Ref: change.Ref})
		}
	}
	return append(made, left...)
}
