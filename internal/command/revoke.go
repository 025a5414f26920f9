package command

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/client/connect"
	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/proof"
	"github.com/kubemint/kubemint/internal/revoke"
	"github.com/kubemint/kubemint/internal/source"
)

// revokeWithin bounds the whole of a revocation: a post step must not hold the job.
const revokeWithin = time.Minute

// runRevoke takes back what an earlier run made, by its receipt: leases first, then the files.
// Everything is tried, whatever fails before it. A configuration that has become faulty is no
// reason to leave a credential alive.
func runRevoke(ctx context.Context, s session.Session, given options) error {
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
		return revokeByToken(ctx, s, given)
	case record.Keep && !given.permanent && record.ExpiresAt == "" && len(record.Leases) == 0:
		tellKept(s, record)
		return nil
	case len(record.Leases)+len(record.Objects) == 0 && !record.Keep:
		s.Log.Printf("nothing to revoke: the run took back what it had made")
		return nil
	}
	return revokeRecord(ctx, s, given, record, path)
}

// revokeRecord takes back what a receipt names, and deletes the files of its run. path is where the
// receipt lies.
func revokeRecord(
	ctx context.Context, s session.Session, given options, record *receipt.Receipt, path string,
) error {
	killErr := completeRecord(s, record)
	killErr = errors.Join(killErr, kill(ctx, s, given, record))
	if record.Keep && !given.permanent { // a lease in it is one of an earlier run at the same output
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
func kill(ctx context.Context, s session.Session, given options, record *receipt.Receipt) error {
	part := revoke.Part{Leases: record.Leases, Objects: record.Objects}
	if !given.permanent {
		part.Objects = slices.DeleteFunc(slices.Clone(record.Objects), func(o receipt.Object) bool {
			return o.Kind == "Secret"
		})
	}
	if len(record.Theirs) == 0 && part.Empty() {
		return nil
	}
	if given.permanent {
		part.Theirs = record.Theirs
	}
	api, from, err := reconnect(ctx, s, record)
	if err != nil {
		return asRevoke(err, record)
	}
	defer api.Close()
	namespace, _ := from.DefaultNamespace() // an error of the source was reported by the mint
	revoker := newRevoker(s, api, s.Config.Access.In(namespace).ServiceAccount)
	_, err = revoker.Record(ctx, record, part, tellRevoked(s))
	if err != nil || !given.wait {
		return err
	}
	return awaitDeath(ctx, s, record, from)
}

// tellRevoked says which lease is gone.
func tellRevoked(s session.Session) func(lease receipt.Object) {
	return func(lease receipt.Object) {
		s.Log.Printf("revoked: lease %s/%s is deleted; new requests are refused within about 10 s",
			lease.Namespace, lease.Name)
	}
}

// deathWithin is twice what the API server's cache of accepted tokens takes (10 s).
const deathWithin = 25 * time.Second

// awaitDeath asks with the dead token until the API server refuses it.
func awaitDeath(
	ctx context.Context, s session.Session, record *receipt.Receipt, from *source.Source,
) error {
	const op = "prove that the token is dead"
	data, err := output.Read(record.Output)
	if err != nil {
		return problem.New(problem.Revoke, op, output.Cause(err),
			"without the written kubeconfig there is no token to ask with; run without --wait")
	}
	dead, err := output.TokenIn(record.Output, data)
	if err != nil || dead.Hash() != record.TokenHash {
		return problem.Newf(
			problem.Revoke, op, "%s does not hold the token that the receipt names", record.Output,
		)
	}
	address, err := session.ChooseAddress(s, from)
	if err != nil {
		return err
	}
	verifier, err := s.Dialer().Verifier(address)
	if err != nil {
		return err
	}
	defer verifier.Close()
	verifier.Use(dead)
	verifier.AddClients()
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, deathWithin)
	defer cancel()
	err = connect.AskEach(
		verifier.Clients(true), func(c *client.Client) error { return proof.AwaitDeath(ctx, c) },
	)
	if err != nil {
		return problem.Newf(
			problem.Revoke, op, "the API server still accepts it after %s: %w",
			time.Since(start).Round(time.Second), err,
		).
			Hint(
				"it lives until %s at most; does the cluster's garbage collector run (kube-controller-manager)?",
				record.ExpiresAt,
			).
			Hint("deleting the Secret of the lease's name kills it as well: it needs the right to delete Secrets")
	}
	s.Log.Printf(
		"dead: the API server refuses the token, %s after its lease was deleted",
		time.Since(start).Round(time.Second),
	)
	return nil
}

// tellKept says why a credential stays.
func tellKept(s session.Session, record *receipt.Receipt) {
	switch {
	case len(record.Theirs) > 0:
	case record.ExpiresAt == "":
		s.Log.Printf("nothing to revoke: the credential is permanent; kubemint revoke --permanent deletes it")
	default:
		s.Log.Printf(
			"nothing to revoke: the credential was minted with `revoke: false` and lives until %s",
			revoke.Until(record),
		)
	}
	for _, secret := range record.Theirs {
		s.Log.Printf("nothing to revoke: the token is permanent. Secret %s/%s, which holds it, is left: "+
			"somebody else made it. This ends the token:  %s", secret.Namespace, secret.Name, revoke.DeleteCommand(secret))
	}
}

// asRevoke gives an error the code of this phase and says which credentials it leaves.
func asRevoke(err error, record *receipt.Receipt) error {
	p := problem.New(problem.Revoke, "revoke", err)
	if inner, ok := errors.AsType[*problem.Error](err); ok {
		p.Hints = inner.Hints
	}
	for _, lease := range record.Leases {
		p.Hint(
			"a credential lives until %s unless you run  %s", revoke.Until(record),
			revoke.DeleteCommand(lease),
		)
	}
	return p
}

// findLocked finds the receipt and locks its output, so that neither a mint nor another revoke
// changes what is about to be deleted.
func findLocked(ctx context.Context, s session.Session) (
	record *receipt.Receipt, path string, unlock func(), err error,
) {
	for {
		record, path, err = findReceipt(s)
		if err != nil || record == nil {
			return record, path, func() {}, err
		}
		first := record
		unlock, err = s.Files().Await(ctx, first)
		if err != nil {
			return nil, "", nil, err
		}
		record, path, err = findReceipt(s) // the run that had the lock may have changed it, or deleted it
		if err == nil && (record == nil || record.Output == first.Output) {
			return record, path, unlock, nil
		}
		unlock()
		if err != nil {
			return nil, "", nil, err
		}
	}
}

// findReceipt looks where a mint in this job left one: the step state first, since nothing but the
// runner writes it. It also returns where the receipt lies, or would lie.
func findReceipt(s session.Session) (*receipt.Receipt, string, error) {
	if state := s.Platform.SavedState(); state != "" {
		record, err := receipt.Decode([]byte(state))
		if err != nil {
			return nil, "", problem.New(problem.Revoke, "read receipt from the step state", err)
		}
		_, path, _ := s.Receipts().Read(record.Output)
		return record, path, nil
	}
	for _, candidate := range outputCandidates(s) {
		record, path, err := s.Receipts().Read(candidate)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, "", problem.New(problem.Revoke, "read receipt", err,
				"nothing was deleted: look at the file, and delete the lease that it names with kubectl")
		}
		record.Output = candidate // it may have been written under another name of the same directory
		return record, path, nil
	}
	return nil, "", nil
}

// outputCandidates are where an earlier mint of this job can have written its kubeconfig.
func outputCandidates(s session.Session) []string {
	candidates := []string{s.Config.Result.Output}
	if s.Config.Result.Output == "" {
		candidates = []string{s.Platform.DefaultOutput()}
		if list := filepath.SplitList(s.Getenv("KUBECONFIG")); len(list) == 1 {
			candidates = append(candidates, list[0])
		}
	}
	for i, path := range candidates {
		candidates[i] = s.Platform.Absolute(s.Platform.Inside(path))
	}
	return candidates
}

// completeRecord takes the objects from the receipt's file where the step state had no room for
// them.
func completeRecord(s session.Session, record *receipt.Receipt) error {
	if !record.Elsewhere {
		return nil
	}
	file, _, err := s.Receipts().Read(record.Output)
	if err != nil || !output.IsSameRun(file, record) {
		return problem.Newf(problem.Revoke, "read receipt", "that of %s, which named the identity's "+
			"objects, is gone or of another run",
			record.Output).Hint("kubemint sweep --all-namespaces deletes them after their expiry")
	}
	record.Objects = file.Objects
	return nil
}
