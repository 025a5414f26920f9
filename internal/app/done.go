package app

import (
	"sync"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/config"
)

// outcome is what became of the planned changes so far. Changes are made many at once.
type outcome struct {
	mu        sync.Mutex
	done      map[access.Ref]access.Change
	uncertain map[access.Ref]bool
}

// did notes a change that was made.
func (o *outcome) did(change access.Change) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done == nil {
		o.done = map[access.Ref]access.Change{}
	}
	o.done[change.Ref] = change
}

// failed notes a request that failed: without an answer it may have been carried out.
func (o *outcome) failed(ref access.Ref, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.uncertain == nil {
		o.uncertain = map[access.Ref]bool{}
	}
	o.uncertain[ref] = !cluster.Untouched(err)
}

// of is what became of a plan: first what was done and what did not change, then what a run that failed has left.
func (o *outcome) of(changes []access.Change, failed bool) []access.Change {
	o.mu.Lock()
	defer o.mu.Unlock()
	var made, left []access.Change
	for _, change := range changes {
		did, ok := o.done[change.Ref]
		switch {
		case ok:
			made = append(made, did)
		case change.Verb == access.Unchanged:
			made = append(made, change)
		case o.uncertain[change.Ref]:
			left = append(left, access.Change{Verb: access.Uncertain, Ref: change.Ref})
		case failed:
			left = append(left, access.Change{Verb: access.NotDone, Ref: change.Ref})
		}
	}
	return append(made, left...)
}

// showDone prints what was done of the plan, and of a run that failed what was not. From here on the plan is what was done.
func (m *minting) showDone(failed bool) {
	m.replan.Lock()
	defer m.replan.Unlock()
	m.plan.Changes = m.outcome.of(m.plan.Changes, failed)
	m.log.Show(m.plan)
}

// warn prints what a reviewer would ask about, before anything is changed.
func (m *minting) warn() {
	m.log.List("warning: ", m.plan.Warnings)
	if m.cfg.Token.Duration == config.Permanent { // that it outlives the job is said already
		return
	}
	if warning := access.Outlives(m.desired, m.observed); warning != "" {
		m.log.Warnf("%s", warning)
	}
}
