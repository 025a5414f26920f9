package lock

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/problem"
)

// Client is the API server as a gate asks it.
type Client interface {
	API
	// Explain says what an error of the API server means for a person.
	Explain(code problem.Code, op string, err error) error
}

// Log is where a gate says that it waits, and what is changed under whom.
type Log interface {
	Printf(format string, args ...any)
	Warnf(format string, args ...any)
}

// GateOptions are what a run wants of the access.
type GateOptions struct {
	Hash          string   // of the access that it declares
	TakeOwnership bool     // it may change the access under live credentials
	Timeout       string   // how long it may wait, for people to read
	Advice        []string // the ways out that come first in a refusal; they begin with a verb
	Log           Log
}

// Gate is where a run waits until it may rely on the access of its ServiceAccount, or change it.
// docs/adr/0007-access-lock.md shows why no credential then has other access than it was promised.
type Gate struct {
	*Lock
	Mine   []string // names of leases of this run's own, and of the credential that it replaces
	client Client
	wants  GateOptions
	told   bool // that this run waits
	pause  wait.Backoff
}

// NewGate prepares the gate of an account; nothing is asked yet.
func NewGate(client Client, about Options, wants GateOptions) *Gate {
	return &Gate{Lock: New(client, about), client: client, wants: wants, pause: backoff()}
}

// Hash is of the access that the run declares.
func (g *Gate) Hash() string { return g.wants.Hash }

// Obstacle is why a run may not go on yet.
type Obstacle struct {
	who    []string // is in the way, and until when
	leases []string // names of the leases whose end would clear the way
	gone   func(ctx context.Context) (bool, error)
}

// Look reads the lock, and refuses a Lease of its name that is not ours.
func (g *Gate) Look(ctx context.Context) error {
	if err := g.Read(ctx); err != nil {
		return g.client.Explain(problem.Mint, "read the lock, "+g.Ref().String(), err)
	}
	if !g.Foreign() {
		return nil
	}
	return problem.Newf(problem.Rights, "read the lock, "+g.Ref().String(), "it exists and was not made by kubemint").
		Hint("name another `service_account` (recommended)").
		Hint("or, if nothing else uses it, delete it:  %s", deleteLease(g.Ref().Namespace, g.Ref().Name))
}

// Seize takes the lock. It returns an obstacle where another run has it.
func (g *Gate) Seize(ctx context.Context) (*Obstacle, error) {
	taken, err := g.Take(ctx)
	switch {
	case err != nil:
		return nil, g.client.Explain(problem.Mint, "take the lock, "+g.Ref().String(), err)
	case !taken:
		return g.Holder(), nil
	}
	return nil, nil //nolint:nilnil // nothing is in the way
}

// Holder is the obstacle of a lock that another run holds.
func (g *Gate) Holder() *Obstacle {
	return &Obstacle{who: []string{g.Describe()}, gone: func(ctx context.Context) (bool, error) {
		err := g.Look(ctx)
		return !g.Busy(), err
	}}
}

// Dependents are the live credentials of other access: with the lock held, all that there can be until it
// is given back. Warnings name what the change is a surprise for, and what take_ownership overrides.
func (g *Gate) Dependents(ctx context.Context) (*Obstacle, error) {
	inTheWay, undeclared, err := g.OfOtherAccess(ctx)
	if err == nil && len(inTheWay) > 0 && g.Held() && !g.wants.TakeOwnership {
		inTheWay, err = g.awaitWithdrawal(ctx, inTheWay)
	}
	if err != nil {
		return nil, err
	}
	if len(inTheWay) > 0 && !g.wants.TakeOwnership {
		return g.credentials(inTheWay), nil
	}
	for _, c := range append(inTheWay, undeclared...) {
		g.wants.Log.Warnf("access changes under a live credential: %s", c)
	}
	return nil, nil //nolint:nilnil // nothing is in the way
}

// OfOtherAccess are the live credentials in the way of a change, and those that were promised nothing.
func (g *Gate) OfOtherAccess(ctx context.Context) (inTheWay, undeclared []Credential, err error) {
	if g.wants.Hash == access.Undeclared {
		return nil, nil, nil // it changes nothing that a credential depends on
	}
	inTheWay, undeclared, err = g.Others(ctx, g.wants.Hash, g.Mine)
	return inTheWay, undeclared, g.client.Explain(problem.Mint, "list the leases of "+g.account(), err)
}

func (g *Gate) account() string { return "ServiceAccount " + g.opts.Account.String() }

const (
	// young is the age up to which a lease may be that of a run which is about to find the lock held, and
	// then withdraws it.
	young = 10 * time.Second
	// withdrawn is how long a run that holds the lock waits for that.
	withdrawn = 2 * time.Second
)

// awaitWithdrawal waits for runs that made their leases a moment before the lock was taken and find it
// held now. Leases that are made later need no look: their runs find the lock held too.
func (g *Gate) awaitWithdrawal(ctx context.Context, first []Credential) ([]Credential, error) {
	pause, start, left := backoff(), time.Now(), first
	isOld := func(c Credential) bool { return g.opts.Now().Sub(c.Created) > young }
	for len(left) > 0 && !slices.ContainsFunc(left, isOld) && time.Since(start) < withdrawn && !slept(ctx, pause.Step()) {
		now, _, err := g.OfOtherAccess(ctx)
		if err != nil {
			return nil, err
		}
		left = slices.DeleteFunc(now, func(c Credential) bool {
			return !slices.ContainsFunc(first, func(f Credential) bool { return f.Ref == c.Ref })
		})
	}
	return left, nil
}

// credentials is the obstacle of live credentials that depend on other access.
func (g *Gate) credentials(inTheWay []Credential) *Obstacle {
	o := &Obstacle{gone: func(ctx context.Context) (bool, error) {
		left, _, err := g.OfOtherAccess(ctx)
		return len(left) == 0, err
	}}
	for _, c := range inTheWay {
		o.who = append(o.who, c.String())
		o.leases = append(o.leases, c.Ref.Name)
	}
	return o
}

func deleteLease(namespace string, names ...string) string {
	return "kubectl -n " + namespace + " delete lease " + strings.Join(names, " ")
}

// Change has a command that mints nothing change the access: under the lock, for which it waits. Which live
// credentials hold the change back is for the command's look to say, by an error.
func (g *Gate) Change(ctx context.Context, look, change func(context.Context) error) error {
	for {
		if err := g.Look(ctx); err != nil {
			return err
		}
		inTheWay, err := g.Seize(ctx)
		if err != nil {
			return err
		}
		if inTheWay == nil {
			return g.changeUnderLock(ctx, look, change)
		}
		if err := g.Await(ctx, inTheWay); err != nil {
			return err
		}
	}
}

func (g *Gate) changeUnderLock(ctx context.Context, look, change func(context.Context) error) error {
	under := g.Keep(ctx)
	inEffect := g.InEffect()
	err := look(under)
	if err == nil {
		if err = change(under); err != nil || inEffect != g.wants.Hash {
			inEffect = "" // the next run sees for itself
		}
	}
	if errors.Is(context.Cause(under), ErrLost) {
		return g.Lost(ErrLost)
	}
	return g.Lost(errors.Join(err, g.GiveBack(ctx, inEffect)))
}

// Discard deletes the lock that was given back, unless another run has taken it meanwhile. It says whether it
// has deleted one.
func (g *Gate) Discard(ctx context.Context) (deleted bool, err error) {
	last := g.last()
	if last == nil {
		return false, nil
	}
	err = g.api.DeleteSame(ctx, last)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, g.client.Explain(problem.Mint, "delete the lock, "+g.Ref().String(), err)
}

// giveBackWithin keeps a cancelled run inside what a CI runner waits before it kills.
const giveBackWithin = 3 * time.Second

// GiveBack gives the lock back, even where the time is over.
func (g *Gate) GiveBack(ctx context.Context, inEffect string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackWithin)
	defer cancel()
	return g.client.Explain(problem.Mint, "give back the lock, "+g.Ref().String(), g.Give(ctx, inEffect))
}

// backoff is how often a run looks again at what is in its way.
func backoff() wait.Backoff {
	return wait.Backoff{Duration: 20 * time.Millisecond, Factor: 1.4, Jitter: 0.5, Steps: 20, Cap: time.Second}
}

// Await waits until the obstacle is gone, and refuses when the time is over. It says once what the run
// waits for.
func (g *Gate) Await(ctx context.Context, o *Obstacle) error {
	if !g.told {
		g.told = true
		g.wants.Log.Printf("note: the access of %s cannot change yet, and this run waits for up to %s: %s",
			g.account(), g.wants.Timeout, strings.Join(o.who, "; "))
	}
	for !slept(ctx, g.pause.Step()) { // a pause is never shorter than the one before, in the next attempt neither
		if gone, err := o.gone(ctx); err != nil || gone {
			return g.InTime(ctx, o, err)
		}
	}
	return g.refusal(ctx, o)
}

// InTime returns err, or the refusal where err says no more than that the time is over.
func (g *Gate) InTime(ctx context.Context, o *Obstacle, err error) error {
	if err != nil && ctx.Err() != nil && o != nil {
		return g.refusal(ctx, o)
	}
	return err
}

// refusal is the error of a run whose time is over while something is in its way.
func (g *Gate) refusal(ctx context.Context, o *Obstacle) error {
	op := "change the access of " + g.account()
	if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
		return problem.New(problem.Mint, op, cause)
	}
	p := problem.Newf(problem.Rights, op,
		"other access is in use, and was still when `timeout` (%s) was over", g.wants.Timeout).
		Detail(o.who...)
	for _, way := range g.wants.Advice {
		p.Hint("%s", way)
	}
	if len(o.leases) == 0 {
		return p.Hint("or see why that run does not end: the lock of a run that was killed is free after a minute")
	}
	return p.Hint("or end it: its job fails from then on:  %s", deleteLease(g.Ref().Namespace, o.leases...)).
		Hint("or set `take_ownership: true`: the access changes under it")
}

// Lost explains that the lock is another run's: this one has stopped to change anything.
func (g *Gate) Lost(err error) error {
	if err == nil || !errors.Is(err, ErrLost) {
		return err
	}
	return problem.New(problem.Mint, "change the access of "+g.account(), ErrLost, "run again")
}

// slept says whether ctx ended before the pause did.
func slept(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return true
	case <-time.After(pause):
		return false
	}
}
