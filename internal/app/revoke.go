package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/proof"
	"github.com/kubemint/kubemint/internal/source"
)

// revokeWithin bounds the whole of a revocation: a post step must not hold the job.
const revokeWithin = time.Minute

// revoke kills what an earlier run made, by its receipt: leases first, then the files. Everything is tried, whatever
// fails before it. A configuration that has become faulty is no reason to leave a credential alive.
func (r *run) revoke(ctx context.Context, given options) error {
	ctx, cancel := context.WithTimeout(ctx, revokeWithin)
	defer cancel()
	if err := r.load(ctx); err != nil {
		r.log.Warnf("the inputs are not all valid, revoking all the same: %s", err)
	}
	record, path, unlock, err := r.findLocked(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	switch {
	case record == nil:
		return r.revokeByToken(ctx, given)
	case record.Keep && !given.permanent && record.ExpiresAt == "" && len(record.Leases) == 0:
		r.sayKept(record)
		return nil
	case len(record.Leases)+len(record.Objects) == 0 && !record.Keep:
		r.log.Printf("nothing to revoke: the run took back what it had made")
		return nil
	}
	return r.revokeRecord(ctx, record, path, given)
}

// findLocked finds the receipt and locks its output, so that neither a mint nor another revoke changes what is about to be
// deleted.
func (r *run) findLocked(ctx context.Context) (record *receipt.Receipt, path string, unlock func(), err error) {
	for {
		record, path, err = r.findReceipt()
		if err != nil || record == nil {
			return record, path, func() {}, err
		}
		first := record
		lock, err := r.awaitOutput(ctx, first.Output)
		if err != nil {
			return nil, "", nil, err
		}
		unlock = func() {
			lock.release(first.Output)
			removeDirs(first)
		}
		record, path, err = r.findReceipt() // whoever had the lock may have changed it, or deleted it
		if err == nil && (record == nil || record.Output == first.Output) {
			return record, path, unlock, nil
		}
		unlock()
		if err != nil {
			return nil, "", nil, err
		}
	}
}

// revokeRecord kills what a receipt names, and deletes the files of its run. path is where the receipt lies.
func (r *run) revokeRecord(ctx context.Context, record *receipt.Receipt, path string, given options) error {
	killErr := r.complete(record)
	killErr = errors.Join(killErr, r.kill(ctx, record, given))
	if record.Keep && !given.permanent { // a lease in it is one of an earlier run at the same output
		r.sayKept(record)
		return killErr
	}
	if end, err := time.Parse(time.RFC3339, record.ExpiresAt); killErr != nil && err == nil && r.now().After(end.Add(access.DeadAfter)) {
		r.log.Warnf("not everything could be deleted, but the token expired at %s: %s", record.ExpiresAt, killErr)
		killErr = nil
	}
	return errors.Join(killErr, r.deleteFiles(record, path, killErr == nil))
}

// kill deletes what the receipt names on the server, and proves the token's death where that is asked for.
func (r *run) kill(ctx context.Context, record *receipt.Receipt, given options) error {
	doomed := slices.DeleteFunc(slices.Clone(record.Objects), func(o receipt.Object) bool {
		return o.Kind == "Secret" && !given.permanent
	})
	if len(record.Leases)+len(doomed)+len(record.Theirs) == 0 {
		return nil
	}
	client, from, err := r.reconnect(ctx, record)
	if err != nil {
		return asRevoke(err, record)
	}
	defer client.Close()
	err = r.killLeases(ctx, client, record)
	objects := &removal{run: r, client: client, record: record}
	err = errors.Join(err, objects.delete(ctx, doomed))
	if given.permanent {
		err = errors.Join(err, r.refuseTheirs(ctx, client, record))
	}
	if err != nil || !given.wait {
		return err
	}
	return r.awaitDeath(ctx, record, from)
}

func (r *run) killLeases(ctx context.Context, client *client.Client, record *receipt.Receipt) error {
	var errs []error
	for _, lease := range record.Leases {
		if err := r.revokeLease(ctx, client, record, lease); err != nil {
			errs = append(errs, err)
			continue
		}
		r.log.Printf("revoked: lease %s/%s is deleted; new requests are refused within about 10 s", lease.Namespace, lease.Name)
	}
	return errors.Join(errs...)
}

// deathWithin is twice what the API server's cache of accepted tokens takes (10 s).
const deathWithin = 25 * time.Second

// awaitDeath asks with the dead token until the API server refuses it.
func (r *run) awaitDeath(ctx context.Context, record *receipt.Receipt, from *source.Source) error {
	const op = "prove that the token is dead"
	data, err := readBounded(record.Output)
	if err != nil {
		return problem.New(problem.Revoke, op, cause(err), "without the written kubeconfig there is no token to ask with; run without --wait")
	}
	dead, err := tokenIn(record.Output, data)
	if err != nil || dead.Hash() != record.TokenHash {
		return problem.Newf(problem.Revoke, op, "%s does not hold the token that the receipt names", record.Output)
	}
	written, err := r.address(from)
	if err != nil {
		return err
	}
	p, err := r.newProver(written)
	if err != nil {
		return err
	}
	defer p.close()
	p.token.Store(&dead)
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, deathWithin)
	defer cancel()
	if err := everywhere(p.asked(), func(c *client.Client) error { return proof.AwaitDeath(ctx, c) }); err != nil {
		return problem.Newf(problem.Revoke, op, "the API server still accepts it after %s: %w", time.Since(start).Round(time.Second), err).
			Hint("it lives until %s at most; does the cluster's garbage collector run (kube-controller-manager)?", record.ExpiresAt).
			Hint("deleting the Secret of the lease's name kills it as well, for who may")
	}
	r.log.Printf("dead: the API server refuses the token, %s after its lease was deleted", time.Since(start).Round(time.Second))
	return nil
}

// until completes "lives until". The time is missing where the run was killed before it had a token.
func until(record *receipt.Receipt) string {
	return cmp.Or(record.ExpiresAt, "it expires")
}

// findReceipt looks where a mint in this job left one: the step state first, since nothing but the runner writes it. It also
// returns where the receipt lies, or would lie.
func (r *run) findReceipt() (*receipt.Receipt, string, error) {
	if state := r.platform.SavedState(); state != "" {
		record, err := receipt.Decode([]byte(state))
		if err != nil {
			return nil, "", problem.New(problem.Revoke, "read receipt from the step state", err)
		}
		_, path, _ := r.receipts().Read(record.Output)
		return record, path, nil
	}
	for _, output := range r.outputCandidates() {
		record, path, err := r.receipts().Read(output)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, "", problem.New(problem.Revoke, "read receipt", err,
				"nothing was deleted: look at the file, and delete the lease that it names with kubectl")
		}
		record.Output = output // it may have been written under another name of the same directory
		return record, path, nil
	}
	return nil, "", nil
}

// outputCandidates are where an earlier mint of this job can have written its kubeconfig.
func (r *run) outputCandidates() []string {
	candidates := []string{r.cfg.Result.Output}
	if r.cfg.Result.Output == "" {
		candidates = []string{r.platform.DefaultOutput()}
		if list := filepath.SplitList(r.getenv("KUBECONFIG")); len(list) == 1 {
			candidates = append(candidates, list[0])
		}
	}
	for i, path := range candidates {
		candidates[i] = r.platform.Absolute(r.platform.Inside(path))
	}
	return candidates
}

// complete takes the objects from the receipt's file where the step state had no room for them.
func (r *run) complete(record *receipt.Receipt) error {
	if !record.Elsewhere {
		return nil
	}
	file, _, err := r.receipts().Read(record.Output)
	if err != nil || !sameRun(file, record) {
		return problem.Newf(problem.Revoke, "read receipt", "that of %s, which named the identity's objects, is gone or of another run",
			record.Output).Hint("kubemint sweep --all-namespaces deletes them after their expiry")
	}
	record.Objects = file.Objects
	return nil
}

func deleteCommand(lease receipt.Object) string {
	return fmt.Sprintf("kubectl -n %s delete lease %s", lease.Namespace, lease.Name)
}

// asRevoke gives an error the code of this phase and says which credentials it leaves.
func asRevoke(err error, record *receipt.Receipt) error {
	p := problem.New(problem.Revoke, "revoke", err)
	if inner, ok := errors.AsType[*problem.Error](err); ok {
		p.Hints = inner.Hints
	}
	for _, lease := range record.Leases {
		p.Hint("a credential lives until %s unless you run  %s", until(record), deleteCommand(lease))
	}
	return p
}
