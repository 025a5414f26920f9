package review

import (
	"context"
	"time"

	"github.com/kubemint/kubemint/internal/console"
)

// answeredWithin is how long the question is asked, and asked again, since nothing depends on it.
const answeredWithin = 2 * time.Second

// LookForAdministrator asks, while a run goes on, whether the runner may do anything. The request
// goes out with the run's first ones, and costs no round trip. report warns when the run is over.
// An API server that does not answer it keeps nothing up.
func LookForAdministrator(ctx context.Context, log *console.Log, api Asker) (report func()) {
	ctx, cancel := context.WithTimeout(ctx, answeredWithin)
	found := make(chan Grant, 1)
	go func() {
		all, err := AskAnything(ctx, api)
		if err != nil {
			log.Debugf("whether the runner may do anything is not known: %s", err)
		}
		found <- all
	}()
	return func() {
		defer cancel()
		if all := <-found; all.Allowed { // it comes at the latest when ctx ends
			warnOfAdministrator(log, all.Reason)
		}
	}
}

func warnOfAdministrator(log *console.Log, reason string) {
	if reason != "" {
		reason = " (" + reason + ")"
	}
	log.Warnf("the runner may do anything in this cluster%s, and so may whoever steals its credential: "+
		"kubemint bootstrap prints the few rights that this run needs, see docs/rights.md", reason)
}
