package revocation

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/revoke"
)

// revokeWithin bounds the whole of a revocation: a post step must not hold the job.
const revokeWithin = time.Minute

// Options are the flags of the command.
type Options struct {
	Wait      bool // prove that the token is dead
	Permanent bool // delete a permanent token's Secret too
}

// Run takes back what an earlier run made, by its receipt: leases first, then the files.
// Everything is tried, whatever fails before it. A configuration that has become faulty is no
// reason to leave a credential alive.
func Run(ctx context.Context, s session.Session, given Options) error {
	ctx, cancel := context.WithTimeout(ctx, revokeWithin)
	defer cancel()
	s, err := s.Load()
	if err != nil {
		s.Log.Warnf("the inputs are not all valid, revoking all the same: %s", err)
	}
	record, path, unlock, err := findLocked(ctx, s)
	if err != nil {
		return err
	}
	defer unlock()
	switch {
	case record == nil:
		return revokeByToken(ctx, s, given.Wait)
	case len(record.Leases)+len(record.Objects) == 0 && !record.Keep:
		s.Log.Printf("nothing to revoke: the run took back what it had made")
		return nil
	}
	return revokeRecord(ctx, s, given, record, path)
}

// revokeRecord takes back what a receipt names, and deletes the files of its run. path is where the
// receipt lies.
func revokeRecord(
	ctx context.Context, s session.Session, given Options, record *receipt.Receipt, path string,
) error {
	killErr := completeRecord(s, record)
	killErr = errors.Join(killErr, kill(ctx, s, given, record))
	if record.Keep && !given.Permanent { // a lease in it is one of an earlier run at the same output
		tellKept(s, record)
		return killErr
	}
	end, err := time.Parse(time.RFC3339, record.ExpiresAt)
	if killErr != nil && err == nil && s.Trace.Now().After(end.Add(lock.DeadAfter)) {
		s.Log.Warnf(
			"not everything could be deleted, but the token expired at %s: %s", record.ExpiresAt, killErr,
		)
		killErr = nil
	}
	return errors.Join(killErr, s.Files().Delete(record, path, killErr == nil))
}

// kill deletes what the receipt names on the server, and proves the token's death where that is
// asked for.
func kill(ctx context.Context, s session.Session, given Options, record *receipt.Receipt) error {
	part := revoke.Part{Leases: record.Leases, Objects: record.Objects}
	if !given.Permanent {
		part.Objects = slices.DeleteFunc(slices.Clone(record.Objects), func(o receipt.Object) bool {
			return o.Kind == "Secret"
		})
	}
	if given.Permanent {
		part.Theirs = record.Theirs
	}
	if part.Empty() {
		return nil
	}
	api, from, err := reconnect(ctx, s, record)
	if err != nil {
		return asRevoke(err, record)
	}
	defer api.Close()
	namespace, _ := from.DefaultNamespace() // an error of the source was reported by the mint
	revoker := NewRevoker(s, api, s.Config.Access.In(namespace).ServiceAccount)
	_, err = revoker.Record(ctx, record, part, tellRevoked(s))
	if err != nil || !given.Wait {
		return err
	}
	return awaitDeath(ctx, s, record, from)
}
