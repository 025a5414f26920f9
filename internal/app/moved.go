package app

import (
	"context"
	"slices"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/parallel"
)

// reportWithin is how long a run that is done waits for the answer to a question that nothing depends on.
const reportWithin = 2 * time.Second

// lookForMoved asks, beside the run, whether this job has left another ServiceAccount with access to the
// same places: the account has moved then, as where `namespace: a,b` became `b,a`. Only a run that makes
// its account asks, so that a steady one sends no request for it, and a job with two accounts is told once.
// report says it when the run is over.
func (m *minting) lookForMoved(ctx context.Context) (report func()) {
	made := func(change access.Change) bool {
		return change.Ref.Kind == "ServiceAccount" && change.Verb == access.Created
	}
	if m.desired.Ephemeral() || m.desired.Marks.Owner == "" || !slices.ContainsFunc(m.plan.Changes, made) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	found := make(chan []string, 1)
	go func() { found <- m.askForMoved(ctx) }()
	return func() {
		defer cancel()
		select {
		case warnings := <-found:
			m.log.List("warning: ", warnings)
		case <-ctx.Done():
		case <-time.After(reportWithin):
		}
	}
}

func (m *minting) askForMoved(ctx context.Context) (warnings []string) {
	places := map[access.Ref]bool{}
	for _, object := range m.desired.Objects {
		if access.IsBinding(object) {
			places[access.Ref{Kind: access.RefOf(object).Kind, Namespace: object.GetNamespace()}] = true
		}
	}
	var lists []access.Ref
	for place := range places {
		if len(places) > mostPlaces {
			place.Namespace = ""
		}
		if !slices.Contains(lists, place) {
			lists = append(lists, place)
		}
	}
	bindings := make([][]access.Object, len(lists))
	err := parallel.Each(len(lists), func(i int) (err error) {
		bindings[i], err = m.client.ListRecent(ctx, lists[i].Kind, lists[i].Namespace, managed)
		return err
	})
	if err != nil { // the right to list is one that a runner need not have
		m.log.Debugf("accounts that have moved are not looked for: %s", err)
		return nil
	}
	account := m.desired.Access.ServiceAccount
	for _, moved := range access.Moved(m.desired, m.desired.Marks.Job, slices.Concat(bindings...)) {
		warnings = append(warnings, leftBehind(moved, account))
	}
	return warnings
}

// mostPlaces is where one list over all namespaces costs less than one for each.
const mostPlaces = 16
