package entry

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/discovery"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/lease/leasename"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/mint/undo"
	"github.com/kubemint/kubemint/internal/problem"
)

// Waiting says how long a run waits at a gate, and where it logs that.
type Waiting struct {
	Timeout time.Duration
	Now     func() time.Time
	Log     *console.Log
}

// Gate returns the gate of an account, for a run that declares access with this hash. advice comes
// first in a refusal.
func (w Waiting) Gate(
	server lock.Client, desired access.Desired, hash string, advice ...string,
) *lock.Gate {
	account := desired.Access.ServiceAccount
	run := cmp.Or(desired.Marks.Run, account.String())
	about := lock.Options{
		Account: account, Marks: desired.Marks, Holder: leasename.Ephemeral(run), Now: w.Now,
	}
	return lock.NewGate(server, about, lock.GateOptions{
		Hash: hash, TakeOwnership: desired.Access.TakeOwnership, Timeout: console.FormatDuration(w.Timeout),
		Advice: advice, Log: w.Log,
	})
}

// ToMint is the gate of a run that mints; nil for an ephemeral identity, which nobody shares.
func (w Waiting) ToMint(server lock.Client, desired access.Desired) *lock.Gate {
	if desired.IsEphemeral() {
		return nil
	}
	return w.Gate(server, desired, desired.Hash(),
		"name another `service_account` for this pipeline (recommended), or set `ephemeral: true`",
		"or wait for it to end, with a longer `timeout`")
}

// Look reads the lock, if it exists, while the cluster is observed: a run that changes access then
// takes it at once. It returns no gate if the API server has no leases: then no run can have a
// lease, or the lock.
func Look(ctx context.Context, gate *lock.Gate) (*lock.Gate, error) {
	if gate == nil {
		return nil, nil //nolint:nilnil // nobody to wait for
	}
	err := gate.CheckLock(ctx)
	if discovery.Unserved(err) {
		return nil, nil //nolint:nilnil // the same
	}
	return gate, err
}

// IsAsDeclared says whether the lock names the access that this run declares, or none at all.
func IsAsDeclared(gate *lock.Gate) bool {
	return !gate.Exists() || gate.Hash() == access.Undeclared || gate.InEffect() == gate.Hash()
}

// IsRefusedByPolicy says whether a policy of the cluster keeps a run without a lease from taking
// the lock. Where the policy is against Leases as such, no run can have one.
func IsRefusedByPolicy(err error, hasLease bool) bool {
	return !hasLease && (answer.PolicyDenied(err) || answer.NotAdmitted(err))
}

// Release gives the lock back, with the hash of the access that this run has brought into effect.
func Release(
	ctx context.Context, gate *lock.Gate, explain func(problem.Code, string, error) error,
) error {
	switch {
	case gate != nil && gate.WasLost():
		return gate.ExplainLost(lock.ErrLost)
	case gate == nil || !gate.IsHeld():
		return nil
	}
	inEffect := gate.Hash()
	if gate.Hash() == access.Undeclared {
		inEffect = gate.InEffect()
	}
	err := gate.Release(ctx, inEffect)
	return gate.ExplainLost(explain(problem.Mint, "give back the lock, "+gate.Ref().String(), err))
}

// PushLock puts the lock on the undo stack. It is given back while the rest is undone: until then a
// live lease keeps what it was promised. Which access is in effect is not known if changes had
// begun.
func PushLock(stack *undo.Stack, gate *lock.Gate, dirty func() bool, log *console.Log) {
	stack.Push(undo.Beside, "", func(ctx context.Context) error {
		if !gate.IsHeld() {
			return nil
		}
		inEffect := gate.InEffect()
		if dirty() {
			inEffect = ""
		}
		if err := gate.Release(ctx, inEffect); err != nil && !errors.Is(err, lock.ErrLost) {
			log.Warnf("%s could not be given back, and holds other runs up for a minute: %s", gate.Ref(), err)
		}
		return nil
	})
}
