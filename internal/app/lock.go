package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/lock"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/token"
)

// gate is where a run waits until it may rely on the access of its ServiceAccount, or change it.
// docs/adr/0007-access-lock.md shows why no credential then has other access than it was promised.
type gate struct {
	*run
	*lock.Lock
	client  *cluster.Client
	desired access.Desired
	hash    string   // of what this run declares
	mine    []string // leases of this run's own, and of the credential that it replaces
	told    bool     // that this run waits
	pause   wait.Backoff
}

func (r *run) newGate(client *cluster.Client, desired access.Desired) *gate {
	account := desired.Access.ServiceAccount
	who := desired.Marks.Run
	if who == "" {
		who = account.String()
	}
	options := lock.Options{Account: account, Marks: desired.Marks, Holder: token.EphemeralName(who), Now: r.now}
	return &gate{run: r, Lock: lock.New(client, options), client: client, desired: desired, hash: desired.Hash(), pause: backoff()}
}

// obstacle is why a run may not go on yet.
type obstacle struct {
	who      []string // is in the way, and until when
	commands []string // that end what is in the way
	gone     func(ctx context.Context) (bool, error)
}

// look reads the lock, and refuses a Lease of its name that is not ours.
func (g *gate) look(ctx context.Context) error {
	if err := g.Read(ctx); err != nil {
		return g.client.Explain(problem.Mint, "read the lock, "+g.Ref().String(), err)
	}
	if !g.Foreign() {
		return nil
	}
	return problem.Newf(problem.Rights, "read the lock, "+g.Ref().String(), "it exists and was not made by kubemint").
		Hint("name another `service_account` (recommended)").
		Hint("or, if nothing else uses it, delete it:  %s", deleteLease(g.Ref()))
}

// seize takes the lock. It returns an obstacle where another run has it.
func (g *gate) seize(ctx context.Context) (*obstacle, error) {
	taken, err := g.Take(ctx)
	switch {
	case err != nil:
		return nil, g.client.Explain(problem.Mint, "take the lock, "+g.Ref().String(), err)
	case !taken:
		return g.held(), nil
	}
	return nil, nil //nolint:nilnil // nothing is in the way
}

// held is the obstacle of a lock that another run holds.
func (g *gate) held() *obstacle {
	return &obstacle{who: []string{g.Describe()}, gone: func(ctx context.Context) (bool, error) {
		err := g.look(ctx)
		return !g.Busy(), err
	}}
}

// dependents are the live credentials of other access: with the lock held, all that there can be until it
// is given back. Warnings name what the change is a surprise for, and what take_ownership overrides.
func (g *gate) dependents(ctx context.Context) (*obstacle, error) {
	inTheWay, undeclared, err := g.others(ctx)
	if err == nil && len(inTheWay) > 0 && g.Held() && !g.desired.Access.TakeOwnership {
		inTheWay, err = g.awaitWithdrawal(ctx, inTheWay)
	}
	if err != nil {
		return nil, err
	}
	if len(inTheWay) > 0 && !g.desired.Access.TakeOwnership {
		return g.credentials(inTheWay), nil
	}
	for _, c := range append(inTheWay, undeclared...) {
		g.log.Warnf("access changes under a live credential: %s", c)
	}
	return nil, nil //nolint:nilnil // nothing is in the way
}

func (g *gate) others(ctx context.Context) (inTheWay, undeclared []lock.Credential, err error) {
	if g.hash == access.Undeclared {
		return nil, nil, nil // it changes nothing that a credential depends on
	}
	inTheWay, undeclared, err = g.Others(ctx, g.hash, g.mine)
	return inTheWay, undeclared, g.client.Explain(problem.Mint, "list the leases of "+g.account(), err)
}

func (g *gate) account() string { return "ServiceAccount " + g.desired.Access.ServiceAccount.String() }

const (
	// young is the age up to which a lease may be that of a run which is about to find the lock held, and
	// then withdraws it.
	young = 10 * time.Second
	// withdrawn is how long a run that holds the lock waits for that.
	withdrawn = 2 * time.Second
)

// awaitWithdrawal waits for runs that made their leases a moment before the lock was taken and find it
// held now. Leases that are made later need no look: their runs find the lock held too.
func (g *gate) awaitWithdrawal(ctx context.Context, first []lock.Credential) ([]lock.Credential, error) {
	pause, start, left := backoff(), time.Now(), first
	isOld := func(c lock.Credential) bool { return g.now().Sub(c.Created) > young }
	for len(left) > 0 && !slices.ContainsFunc(left, isOld) && time.Since(start) < withdrawn && !slept(ctx, pause.Step()) {
		now, _, err := g.others(ctx)
		if err != nil {
			return nil, err
		}
		left = slices.DeleteFunc(now, func(c lock.Credential) bool {
			return !slices.ContainsFunc(first, func(f lock.Credential) bool { return f.Ref == c.Ref })
		})
	}
	return left, nil
}

// credentials is the obstacle of live credentials that depend on other access.
func (g *gate) credentials(inTheWay []lock.Credential) *obstacle {
	o := &obstacle{gone: func(ctx context.Context) (bool, error) {
		left, _, err := g.others(ctx)
		return len(left) == 0, err
	}}
	for _, c := range inTheWay {
		o.who = append(o.who, c.String())
		o.commands = append(o.commands, deleteLease(c.Ref))
	}
	return o
}

func deleteLease(ref access.Ref) string {
	return "kubectl -n " + ref.Namespace + " delete lease " + ref.Name
}

// change takes access away on behalf of a command that mints nothing: under the lock, and when no live
// credential of other access than the declared one is left.
func (g *gate) change(ctx context.Context, change func(context.Context) error) error {
	for {
		inTheWay, err := g.tryChange(ctx, change)
		if err != nil || inTheWay == nil {
			return err
		}
		if err := g.await(ctx, inTheWay); err != nil {
			return err
		}
	}
}

func (g *gate) tryChange(ctx context.Context, change func(context.Context) error) (*obstacle, error) {
	if err := g.look(ctx); err != nil {
		return nil, err
	}
	if inTheWay, err := g.seize(ctx); err != nil || inTheWay != nil {
		return inTheWay, err
	}
	under := g.Keep(ctx)
	inTheWay, err := g.dependents(under)
	if err != nil || inTheWay != nil {
		return inTheWay, g.lost(errors.Join(err, g.giveBack(ctx, g.InEffect())))
	}
	err = change(under)
	inEffect := g.InEffect()
	if err != nil || inEffect != g.hash {
		inEffect = "" // the next run sees for itself
	}
	if errors.Is(context.Cause(under), lock.ErrLost) {
		return nil, g.lost(lock.ErrLost)
	}
	return nil, g.lost(errors.Join(err, g.giveBack(ctx, inEffect)))
}

// giveBack gives the lock back, even where the time is over.
func (g *gate) giveBack(ctx context.Context, inEffect string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollBackWithin)
	defer cancel()
	return g.client.Explain(problem.Mint, "give back the lock, "+g.Ref().String(), g.Give(ctx, inEffect))
}

// backoff is how often a run looks again at what is in its way.
func backoff() wait.Backoff {
	return wait.Backoff{Duration: 20 * time.Millisecond, Factor: 1.4, Jitter: 0.5, Steps: 20, Cap: time.Second}
}

// await waits until the obstacle is gone, and refuses when the time is over. It says once what the run
// waits for.
func (g *gate) await(ctx context.Context, o *obstacle) error {
	if !g.told {
		g.told = true
		g.log.Printf("note: the access of %s cannot change yet, and this run waits for up to %s: %s",
			g.account(), short(g.cfg.Result.Timeout), strings.Join(o.who, "; "))
	}
	for !slept(ctx, g.pause.Step()) { // a pause is never shorter than the one before, in the next attempt neither
		if gone, err := o.gone(ctx); err != nil || gone {
			return g.inTime(ctx, o, err)
		}
	}
	return g.refusal(ctx, o)
}

// inTime returns err, or the refusal where err says no more than that the time is over.
func (g *gate) inTime(ctx context.Context, o *obstacle, err error) error {
	if err != nil && ctx.Err() != nil && o != nil {
		return g.refusal(ctx, o)
	}
	return err
}

// refusal is the error of a run whose time is over while something is in its way.
func (g *gate) refusal(ctx context.Context, o *obstacle) error {
	op := "change the access of " + g.account()
	if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
		return problem.New(problem.Mint, op, cause)
	}
	p := problem.Newf(problem.Rights, op,
		"other access is in use, and was still when `timeout` (%s) was over", short(g.cfg.Result.Timeout)).
		Detail(o.who...).
		Hint("name another `service_account` for this pipeline (recommended), or set `ephemeral: true`").
		Hint("or wait for it to end, with a longer `timeout`")
	if len(o.commands) == 0 {
		return p.Hint("or see why that run does not end: the lock of a run that was killed is free after a minute")
	}
	return p.Hint("or end it: its job fails from then on:  %s", strings.Join(o.commands, "; ")).
		Hint("or set `take_ownership: true`: the access changes under it")
}

// lost explains that the lock is another run's: this one has stopped to change anything.
func (g *gate) lost(err error) error {
	if err == nil || !errors.Is(err, lock.ErrLost) {
		return err
	}
	return problem.New(problem.Mint, "change the access of "+g.account(), lock.ErrLost, "run again")
}
