package mint

import (
	"context"
	"slices"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/access/outlive"
	"github.com/kubemint/kubemint/internal/client/review"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/mint/credential"
	"github.com/kubemint/kubemint/internal/mint/deliver"
	"github.com/kubemint/kubemint/internal/proof"
	"github.com/kubemint/kubemint/internal/revoke/prune"
)

// advise warns of a lifetime that will not serve.
func advise(job Job, to deliver.Destination) {
	asked := job.Config.Token
	if asked.Lifetime.Permanent {
		job.Log.Warnf("a permanent token never expires, is not revoked at the end of the job, " +
			"and anyone who reads it has the access permanently: " +
			"a token with a duration and a step that mints a new one serves nearly everything")
		return
	}
	if used := to.UsedFor(); asked.Lifetime.Duration < used {
		job.Log.Warnf(
			"the job may run for %s, longer than the token lives (%s): a later step could be refused", used,
			asked.Asked,
		)
	}
}

// warn prints what a reviewer would ask about, before anything is changed.
func warn(job Job, plan access.Plan, observed access.Observed) {
	job.Log.PrintList("warning: ", plan.Warnings)
	job.Log.PrintList("warning: ", proof.RolesOfNothing(job.Desired, observed))
	warning := outlive.Warn(job.Desired, observed)
	if warning != "" && !job.Config.Token.Lifetime.Permanent {
		// that such a token outlives the job is said already
		job.Log.Warnf("%s", warning)
	}
}

// reportToken says what was issued, once it can be used.
func reportToken(job Job, issued credential.Issued) {
	account := job.Desired.Access.ServiceAccount
	if issued.Secret != nil {
		job.Log.Printf("the token of %s in Secret %s/%s never expires (id %s)", account,
			issued.Secret.Namespace, issued.Secret.Name, issued.Claims.ID)
		if len(issued.Theirs(account)) > 0 {
			job.Log.Printf("note: somebody else made that Secret, so kubemint never deletes it")
		}
		return
	}
	asked := job.Config.Token
	job.Log.Printf("minted a token for %s (asked %s, granted %s, expires %s, id %s)", account, asked.Asked,
		credential.DescribeLifetime(issued.Minted), issued.ExpiresAt.Format(time.RFC3339), issued.Claims.ID)
	if issued.IsShortened(asked.Lifetime.Duration) {
		job.Log.Warnf("%s (%s)", credential.DescribeShortened(issued.Minted, asked), credential.LifetimeCaps)
	}
}

// lookForMoved asks, while the run goes on, whether this job has left another ServiceAccount with
// access to the same places: the account has moved then, as where `namespace: a,b` became `b,a`.
// Only a run that makes its account asks: a steady run sends no request for it, and a job with two
// accounts gets one report. report prints it when the run is over.
func lookForMoved(ctx context.Context, job Job, plan access.Plan) (report func()) {
	made := func(change access.Change) bool {
		return change.Ref.Kind == "ServiceAccount" && change.Verb == access.Created
	}
	if job.Desired.IsEphemeral() || job.Desired.Marks.Owner == "" || !slices.ContainsFunc(plan.Changes, made) {
		return func() {}
	}
	return askMeanwhile(ctx, job.Log, func(ctx context.Context) []string {
		warnings, err := prune.WarnPredecessors(ctx, job.Server.Once(), job.Desired)
		if err != nil { // the right to list is one that a runner need not have
			job.Log.Debugf("accounts that have moved are not looked for: %s", err)
		}
		return warnings
	})
}

// lookForAdministrator asks, while the run goes on, whether the runner may do anything. The request
// goes out with the run's first ones, and costs no round trip. report warns when the run is over.
func lookForAdministrator(ctx context.Context, log *console.Log, api review.Asker) (report func()) {
	return askMeanwhile(ctx, log, func(ctx context.Context) []string {
		all, err := review.AskAnything(ctx, api)
		if err != nil {
			log.Debugf("whether the runner may do anything is not known: %s", err)
		}
		if !all.Allowed {
			return nil
		}
		reason := ""
		if all.Reason != "" {
			reason = " (" + all.Reason + ")"
		}
		return []string{"the runner may do anything in this cluster" + reason +
			", and so may whoever steals its credential: " +
			"kubemint bootstrap prints the few rights that this run needs, see docs/rights.md"}
	})
}

// reportWithin is how long a question may take on which nothing depends, if the run is done by then.
const reportWithin = 2 * time.Second

// askMeanwhile asks something that nothing depends on, while the run goes on. report prints the
// answer when the run is over. It waits for it until reportWithin after the question, and not at all
// after an interruption.
func askMeanwhile(
	ctx context.Context, log *console.Log, ask func(context.Context) (warnings []string),
) (report func()) {
	ctx, cancel := context.WithCancel(ctx)
	until := time.Now().Add(reportWithin)
	found := make(chan []string, 1)
	go func() { found <- ask(ctx) }()
	return func() {
		defer cancel()
		var warnings []string
		select {
		case warnings = <-found: // an answer that is there counts, even if the time is over
		default:
			select {
			case warnings = <-found:
			case <-ctx.Done():
			case <-time.After(time.Until(until)):
			}
		}
		log.PrintList("warning: ", warnings)
	}
}
