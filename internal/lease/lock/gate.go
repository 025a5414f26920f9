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

// Log tells the user that a gate waits, and whose access changes under a live credential.
type Log interface {
	Printf(format string, args ...any)
	Warnf(format string, args ...any)
}

// GateOptions say how a run wants to change the access.
type GateOptions struct {
	Hash          string   // of the access that it declares
	TakeOwnership bool     // it may change the access under live credentials
	Timeout       string   // how long it may wait, for people to read
	Advice        []string // the hints that come first in a refusal; they begin with a verb
	Log           Log
}

// Gate makes a run wait until it may rely on the access of its ServiceAccount, or change it.
// docs/adr/0007-access-lock.md shows why every credential then has exactly the access that it was
// promised.
type Gate struct {
	*Lock
	Mine   []string // names of leases of this run's own, and of the credential that it replaces
	client Client
	wants  GateOptions
	told   bool           // that this run waits
	delay  wait.DelayFunc // its pauses never get shorter, in later attempts neither
}

// NewGate prepares the gate of an account; nothing is asked yet.
func NewGate(client Client, about Options, wants GateOptions) *Gate {
	return &Gate{Lock: New(client, about), client: client, wants: wants, delay: newDelay()}
}

// Hash returns the hash of the access that the run declares.
func (g *Gate) Hash() string { return g.wants.Hash }

// Obstacle says why a run may not go on yet.
type Obstacle struct {
	who    []string // is in the way, and until when
	leases []string // names of the leases whose end would clear the way
	gone   func(ctx context.Context) (bool, error)
}

// CheckLock reads the lock, and refuses a Lease of its name that is not ours.
func (g *Gate) CheckLock(ctx context.Context) error {
	if err := g.Read(ctx); err != nil {
		return g.client.Explain(problem.Mint, "read the lock, "+g.Ref().String(), err)
	}
	if !g.IsForeign() {
		return nil
	}
	return problem.Newf(
		problem.Rights, "read the lock, "+g.Ref().String(), "it exists and was not made by kubemint",
	).
		Hint("name another `service_account` (recommended)").
		Hint("or, if nothing else uses it, delete it:  %s", deleteLease(g.Ref().Namespace, g.Ref().Name))
}

// SeizeLock takes the lock. It returns an obstacle if another run holds it.
func (g *Gate) SeizeLock(ctx context.Context) (*Obstacle, error) {
	taken, err := g.Take(ctx)
	switch {
	case err != nil:
		return nil, g.client.Explain(problem.Mint, "take the lock, "+g.Ref().String(), err)
	case !taken:
		return g.HolderObstacle(), nil
	}
	return nil, nil //nolint:nilnil // nothing is in the way
}

// HolderObstacle is the obstacle of a lock that another run holds.
func (g *Gate) HolderObstacle() *Obstacle {
	return &Obstacle{who: []string{g.DescribeHolder()}, gone: func(ctx context.Context) (bool, error) {
		err := g.CheckLock(ctx)
		return !g.IsBusy(), err
	}}
}

// FindDependents finds the live credentials that depend on other access. With the lock held, no
// more can appear until it is given back. Warnings name the credentials that the change may
// surprise, and those that take_ownership overrides.
func (g *Gate) FindDependents(ctx context.Context) (*Obstacle, error) {
	inTheWay, undeclared, err := g.OfOtherAccess(ctx)
	if err == nil && len(inTheWay) > 0 && g.IsHeld() && !g.wants.TakeOwnership {
		inTheWay, err = g.awaitWithdrawal(ctx, inTheWay)
	}
	if err != nil {
		return nil, err
	}
	if len(inTheWay) > 0 && !g.wants.TakeOwnership {
		return g.newObstacle(inTheWay), nil
	}
	for _, c := range append(inTheWay, undeclared...) {
		g.wants.Log.Warnf("access changes under a live credential: %s", c)
	}
	return nil, nil //nolint:nilnil // nothing is in the way
}

// OfOtherAccess returns the live credentials in the way of a change, and those that were promised
// nothing.
func (g *Gate) OfOtherAccess(ctx context.Context) (inTheWay, undeclared []Credential, err error) {
	if g.wants.Hash == access.Undeclared {
		return nil, nil, nil // it changes nothing that a credential depends on
	}
	inTheWay, undeclared, err = g.ListOthers(ctx, g.wants.Hash, g.Mine)
	return inTheWay, undeclared, g.client.Explain(
		problem.Mint, "list the leases of "+g.accountName(), err,
	)
}

func (g *Gate) accountName() string { return "ServiceAccount " + g.opts.Account.String() }

const (
	// young is the age up to which a lease may be that of a run which is about to find the lock
	// held, and then withdraws it.
	young = 10 * time.Second
	// withdrawn is how long a run that holds the lock waits for that.
	withdrawn = 2 * time.Second
)

// awaitWithdrawal waits for runs that made their leases a moment before the lock was taken and find
// it held now. Leases that are made later need no look: their runs find the lock held too.
func (g *Gate) awaitWithdrawal(ctx context.Context, first []Credential) (left []Credential, err error) {
	start := time.Now()
	isOld := func(c Credential) bool { return g.opts.Now().Sub(c.Created) > young }
	isLater := func(c Credential) bool {
		return !slices.ContainsFunc(first, func(f Credential) bool { return f.Ref == c.Ref })
	}
	left = first
	isDecided := func() bool {
		return len(left) == 0 || slices.ContainsFunc(left, isOld) || time.Since(start) >= withdrawn
	}
	if isDecided() {
		return left, nil
	}
	_ = newDelay().Until(ctx, false, true, func(ctx context.Context) (bool, error) {
		if left, _, err = g.OfOtherAccess(ctx); err != nil {
			return true, nil //nolint:nilerr // it is returned below
		}
		left = slices.DeleteFunc(left, isLater)
		return isDecided(), nil
	})
	return left, err
}

// newObstacle describes live credentials that depend on other access.
func (g *Gate) newObstacle(inTheWay []Credential) *Obstacle {
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

// ChangeAccess lets a command that mints nothing change the access: it waits for the lock, and
// changes under it. look returns an error if live credentials hold the change back.
func (g *Gate) ChangeAccess(ctx context.Context, look, change func(context.Context) error) error {
	for {
		if err := g.CheckLock(ctx); err != nil {
			return err
		}
		inTheWay, err := g.SeizeLock(ctx)
		if err != nil {
			return err
		}
		if inTheWay == nil {
			return g.changeUnderLock(ctx, look, change)
		}
		if err := g.AwaitObstacle(ctx, inTheWay); err != nil {
			return err
		}
	}
}

func (g *Gate) changeUnderLock(ctx context.Context, look, change func(context.Context) error) error {
	under := g.KeepRenewed(ctx)
	inEffect := g.InEffect()
	err := look(under)
	if err == nil {
		if err = change(under); err != nil || inEffect != g.wants.Hash {
			inEffect = "" // the next run sees for itself
		}
	}
	if errors.Is(context.Cause(under), ErrLost) {
		return g.ExplainLost(ErrLost)
	}
	return g.ExplainLost(errors.Join(err, g.GiveBack(ctx, inEffect)))
}

// DeleteLock deletes the lock that was given back, unless another run has taken it meanwhile. It
// says whether it has deleted one.
func (g *Gate) DeleteLock(ctx context.Context) (deleted bool, err error) {
	last := g.lastSeen()
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

// GiveBack gives the lock back, even after the time is over.
func (g *Gate) GiveBack(ctx context.Context, inEffect string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackWithin)
	defer cancel()
	return g.client.Explain(
		problem.Mint, "give back the lock, "+g.Ref().String(), g.Release(ctx, inEffect),
	)
}

// newDelay returns the pauses between a run's looks at what is in its way.
func newDelay() wait.DelayFunc {
	return wait.Backoff{
		Duration: 20 * time.Millisecond, Factor: 1.4, Jitter: 0.5, Steps: 20, Cap: time.Second,
	}.DelayFunc()
}

// AwaitObstacle waits until the obstacle is gone, and refuses when the time is over. It logs once
// what the run waits for.
func (g *Gate) AwaitObstacle(ctx context.Context, o *Obstacle) error {
	if !g.told {
		g.told = true
		g.wants.Log.Printf(
			"note: the access of %s cannot change yet, and this run waits for up to %s: %s",
			g.accountName(), g.wants.Timeout, strings.Join(o.who, "; "),
		)
	}
	var err error
	ended := g.delay.Until(ctx, false, true, func(ctx context.Context) (gone bool, _ error) {
		gone, err = o.gone(ctx)
		return gone || err != nil, nil
	})
	if ended != nil {
		return g.explainObstacle(ctx, o)
	}
	return g.InTime(ctx, o, err)
}

// InTime returns err, or the refusal if err only says that the time is over.
func (g *Gate) InTime(ctx context.Context, o *Obstacle, err error) error {
	if err != nil && ctx.Err() != nil && o != nil {
		return g.explainObstacle(ctx, o)
	}
	return err
}

// explainObstacle returns the error of a run whose time is over while something is in its way.
func (g *Gate) explainObstacle(ctx context.Context, o *Obstacle) error {
	op := "change the access of " + g.accountName()
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
		return p.Hint(
			"or see why that run does not end: the lock of a run that was killed is free after a minute",
		)
	}
	return p.Hint(
		"or end it: its job fails from then on:  %s", deleteLease(g.Ref().Namespace, o.leases...),
	).
		Hint("or set `take_ownership: true`: the access changes under it")
}

// ExplainLost explains that another run holds the lock: this run has stopped changing anything.
func (g *Gate) ExplainLost(err error) error {
	if err == nil || !errors.Is(err, ErrLost) {
		return err
	}
	return problem.New(problem.Mint, "change the access of "+g.accountName(), ErrLost, "run again")
}
