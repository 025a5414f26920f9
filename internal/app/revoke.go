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
	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/receipt"
	"github.com/kubemint/kubemint/internal/source"
	"github.com/kubemint/kubemint/internal/token"
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
	record, err := r.findReceipt()
	if err != nil {
		return err
	}
	switch {
	case record == nil:
		r.log.Printf("nothing to revoke: no receipt of an earlier run is here")
		return nil
	case record.Keep && !given.permanent && record.ExpiresAt == "":
		r.log.Printf("nothing to revoke: the credential is permanent; kubemint revoke --permanent deletes it for good")
		return nil
	case len(record.Leases)+len(record.Objects) == 0 && !record.Keep:
		r.log.Printf("nothing to revoke: the run took back what it had made")
		return nil
	}
	killErr := complete(record)
	killErr = errors.Join(killErr, r.kill(ctx, record, given))
	if record.Keep && !given.permanent { // a lease in it is one of an earlier run at the same output
		r.log.Printf("nothing to revoke: the credential was minted with `revoke: false` and lives until %s", until(record))
		return killErr
	}
	if end, err := time.Parse(time.RFC3339, record.ExpiresAt); killErr != nil && err == nil && r.now().After(end) {
		r.log.Warnf("not everything could be deleted, but the token expired at %s: %s", record.ExpiresAt, killErr)
		killErr = nil
	}
	return errors.Join(killErr, r.deleteFiles(record, killErr == nil))
}

// kill deletes what the receipt names on the server, and proves the token's death where that is asked for.
func (r *run) kill(ctx context.Context, record *receipt.Receipt, given options) error {
	doomed := slices.DeleteFunc(slices.Clone(record.Objects), func(o receipt.Object) bool {
		return o.Kind == "Secret" && !given.permanent
	})
	if len(record.Leases)+len(doomed) == 0 {
		return nil
	}
	client, from, err := r.reconnect(ctx, record)
	if err != nil {
		return asRevoke(err, record)
	}
	defer client.Close()
	var errs []error
	for _, lease := range record.Leases {
		if err := r.revokeLease(ctx, client, record, lease); err != nil {
			errs = append(errs, err)
			continue
		}
		r.log.Printf("revoked: lease %s/%s is deleted; new requests are refused within about 10 s", lease.Namespace, lease.Name)
	}
	errs = append(errs, r.deleteObjects(ctx, client, doomed))
	var gone access.Plan
	for _, o := range doomed {
		ref := access.Ref{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
		gone.Changes = append(gone.Changes, access.Change{Verb: access.Deleted, Ref: ref})
	}
	r.log.Show(gone)
	if err := errors.Join(errs...); err != nil || !given.wait {
		return err
	}
	return r.awaitDeath(ctx, record, from)
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
	if err != nil || dead.ID() != record.TokenID {
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
	if err := p.everywhere(func(c *cluster.Client) error { return token.AwaitDeath(ctx, c) }); err != nil {
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

// findReceipt looks where a mint in this job left one: the step state first, since nothing but the runner writes it.
func (r *run) findReceipt() (*receipt.Receipt, error) {
	if state := r.platform.SavedState(); state != "" {
		record, err := receipt.Decode([]byte(state))
		if err != nil {
			return nil, problem.New(problem.Revoke, "read receipt from the step state", err)
		}
		return record, nil
	}
	candidates := []string{r.cfg.Result.Output}
	if r.cfg.Result.Output == "" {
		candidates = []string{r.platform.DefaultOutput()}
		if list := filepath.SplitList(r.getenv("KUBECONFIG")); len(list) == 1 {
			candidates = append(candidates, list[0])
		}
	}
	for _, path := range candidates {
		path = r.platform.Absolute(r.platform.Inside(path))
		record, err := receipt.Read(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, problem.New(problem.Revoke, "read receipt", err,
				"nothing was deleted: look at the file, and delete the lease that it names with kubectl")
		}
		record.Output = path // it may have been written under another name of the same directory
		return record, nil
	}
	return nil, nil //nolint:nilnil // no receipt is a good answer
}

// complete takes the objects from the file beside the output where the step state had no room for them.
func complete(record *receipt.Receipt) error {
	if !record.Elsewhere {
		return nil
	}
	file, err := receipt.Read(record.Output)
	if err != nil || !sameRun(file, record) {
		return problem.Newf(problem.Revoke, "read receipt", "%s is not there any more, or not of this run: it named the identity's objects",
			receipt.Path(record.Output)).Hint("kubemint sweep --all-namespaces deletes them after their expiry")
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
