package mint

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/connect"
	"github.com/kubemint/kubemint/internal/client/explain"
	"github.com/kubemint/kubemint/internal/client/review"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease"
	"github.com/kubemint/kubemint/internal/mint/changes"
	"github.com/kubemint/kubemint/internal/mint/entry"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/proof"
)

// prove proves the credential and gives the lock back. Where the change takes rights away the lock
// is given back after the proof, so that no other run's credential still has them; else at the same
// time, since every run proves what it is given.
func prove(ctx context.Context, with tools, made ensured) error {
	release := func(ctx context.Context) error {
		return entry.Release(ctx, made.gate, with.job.Server.Explain)
	}
	if slices.ContainsFunc(made.plan.Changes, takesAway) {
		if err := proveCredential(ctx, with, made); err != nil {
			return err
		}
		return release(ctx)
	}
	var unproven error
	err := with.maker.All(ctx, nil, release, func(ctx context.Context) error {
		unproven = proveCredential(ctx, with, made)
		return nil
	})
	return cmp.Or(unproven, err) // the user has to know that the credential fails
}

func takesAway(c access.Change) bool { return c.Delete != nil || len(c.Removed) > 0 }

// proveCredential shows that the credential is accepted, is the right identity, has all the
// declared access in effect, and can do nothing that must_not forbids.
func proveCredential(ctx context.Context, with tools, made ensured) error {
	job := with.job
	job.Verifier.Use(made.issued.Token)
	known := newProof(job, made.issued.Minted)
	places := append([]string{""}, job.Desired.Access.Namespaces...)
	review := reviewer{
		job: job, known: known, clients: job.Verifier.Clients(made.fresh),
		claims: proof.Claims{Desired: job.Desired, Plan: made.plan, Observed: made.observed},
	}
	review.newest, review.inOrder = findNewest(job.Desired, made)
	err := job.Log.EachWithProgress("namespaces proved", len(places)+1, func(i int) error {
		if i == 0 {
			return identify(ctx, job, known)
		}
		err := review.place(ctx, places[i-1])
		return unbind(ctx, with, made.plan, places[i-1], err)
	})
	if unproven := known.DescribeUnproven(); err == nil && unproven != "" {
		job.Log.Warnf("%s", unproven)
	}
	return err
}

// newProof returns a proof in which nothing is known of the new credential yet.
func newProof(job Job, minted lease.Minted) *proof.Proof {
	return &proof.Proof{
		Account:  job.Desired.Access.ServiceAccount,
		Declared: proof.DeclaresReviews(job.Desired),
		Good:     job.Verifier.First(),
		Broken: func() (proof.Server, func(), error) {
			broken, err := job.Verifier.Another(minted.Token.WithBrokenSignature())
			if err != nil {
				return nil, nil, err
			}
			return broken.First(), broken.Close, nil
		},
	}
}

// identify asks whether the token is accepted, and whose it is.
func identify(ctx context.Context, job Job, known *proof.Proof) error {
	first := job.Verifier.First()
	err := known.Identify(ctx, func(ctx context.Context) error {
		return proof.WhoAmI(ctx, first, job.Desired.Access.ServiceAccount)
	})
	said := first.Explain(problem.Mint, "prove token", err)
	if errors.Is(err, proof.ErrRefused) || answer.IsForbidden(err) || answer.IsMissing(err) ||
		answer.IsForeign(err) {
		return explain.NameProxy(said, job.Written.Server)
	}
	return said
}

// reviewer asks what the credential may do, place by place.
type reviewer struct {
	job     Job
	known   *proof.Proof
	clients []*client.Client // one for each API server that may not know of a change yet
	claims  proof.Claims
	newest  map[string]bool // the places that each API server is asked about
	inOrder bool            // the others are asked about over one connection
}

func (r reviewer) place(ctx context.Context, place string) error {
	claim := r.claims.For(place)
	if claim.Empty() {
		return nil
	}
	clients := r.clients
	if r.inOrder && !r.newest[claim.Namespace] {
		clients = clients[:1]
	}
	err := r.known.Review(ctx, claim.MustNot, func(ctx context.Context) error {
		return connect.AskEach(clients, func(c *client.Client) error { return proof.Prove(ctx, c, claim) })
	})
	return clients[0].Explain(problem.Mint, "prove access", err)
}

// fewNamespaces are asked about over each connection. Of more than these the newest are enough.
const fewNamespaces = 16

// findNewest are the places that each API server is asked about; the others are asked about over
// one connection. inOrder is false where each place has to be asked about everywhere: where what a
// server says of one place does not show that it knows another.
func findNewest(desired access.Desired, made ensured) (places map[string]bool, inOrder bool) {
	if len(desired.Access.Namespaces) <= fewNamespaces || len(desired.Access.AllMustNot()) > 0 {
		return nil, false
	}
	places, inOrder = proof.FindNewest(made.plan, made.observed)
	if inOrder {
		places[review.EveryNamespace] = true
	}
	return places, inOrder
}

// unbind takes the binding of a role back that turned out not to exist: it would grant as soon as
// somebody makes a role of that name.
func unbind(ctx context.Context, with tools, plan access.Plan, namespace string, err error) error {
	missing, ok := errors.AsType[proof.NoRole](err)
	if !ok {
		return err
	}
	binds := func(c access.Change) bool {
		return c.Verb == access.Created && c.Ref.Namespace == namespace &&
			kube.RoleOf(c.Apply).Name == string(missing)
	}
	for _, change := range changes.Select(plan, binds) {
		if with.job.Server.Delete(ctx, change.Apply) != nil {
			err = problem.AddHint(err, problem.Rights,
				"the binding could not be taken back: have an administrator delete "+change.Ref.String())
			continue
		}
		with.job.Log.ShowChanges(
			access.Plan{Changes: []access.Change{{Verb: access.Deleted, Ref: change.Ref}}},
		)
	}
	return err
}
