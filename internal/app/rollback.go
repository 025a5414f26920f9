package app

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

// rollBackWithin keeps a cancelled run inside what a CI runner waits before it kills (GitHub: 7.5 s).
const rollBackWithin = 3 * time.Second

// rollBackCalmly is how long a run that nobody interrupted may take: the requests, and then the time in which the token's end
// has to be seen. For exec the source may have to log in anew as well.
func (m *minting) rollBackCalmly() time.Duration {
	if m.private {
		return revokeWithin
	}
	return rollBackWithin + revoke.SeenWithin
}

// rollBack takes back what this run made: first the lease, with which the token dies, then the files. What was there
// before is there again. What the cluster shares between runs (ServiceAccount, roles, bindings) stays.
func (m *minting) rollBack(ctx context.Context) error {
	within, interrupted := rollBackWithin, ctx
	ctx, hurry := context.WithCancelCause(context.WithoutCancel(ctx))
	defer hurry(nil)
	if interrupted.Err() == nil { // nobody is about to kill us
		within = m.rollBackCalmly()
		defer context.AfterFunc(interrupted, func() { time.AfterFunc(rollBackWithin, func() { hurry(context.DeadlineExceeded) }) })()
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	o := m.output
	if o == nil || o.receiptPath == "" { // nothing was recorded, and so nothing made
		return nil
	}
	given := make(chan struct{})
	go func() { // beside the rest: the lease, as long as it is there, keeps what it was promised
		defer close(given)
		m.abandonLock(ctx)
	}()
	defer func() { <-given }()
	var errs []error
	alive := false
	for _, lease := range m.mayLive() {
		if err := m.endOwn(ctx, lease); err != nil {
			alive = true
			errs = append(errs, err)
		}
	}
	if err := m.deleteMade(ctx); err != nil {
		alive = true
		remedy := "kubemint revoke deletes what is left; so does kubemint sweep --all-namespaces, once it has expired"
		if m.made {
			remedy = "a credential may live on: remove it with  kubectl -n " + m.permanent.Namespace + " delete secret " + m.permanent.Name
		}
		errs = append(errs, hint(err, problem.Revoke, remedy))
	}
	if o.written {
		errs = append(errs, restore(o.path, o.before))
	}
	if o.receipt.EnvFile {
		errs = append(errs, restore(envFile(o.path), o.envBefore))
	}
	switch {
	case alive: // the receipt stays for `kubemint revoke`, with the token that is in the file again
		if o.earlier != nil {
			o.receipt.TokenHash = o.earlier.TokenHash
		}
		return errors.Join(append(errs, m.saveReceipt())...)
	case o.earlier != nil:
		if data, err := o.earlier.Encode(); err == nil {
			errs = append(errs, restore(o.receiptPath, append(data, '\n')))
		}
	default:
		errs = append(errs, deleteReceipt(o.receiptPath, o.path))
		removeDirs(o.receipt)
	}
	o.receipt.Leases, o.receipt.TokenHash = nil, ""
	if data, err := o.receipt.Encode(); err == nil && !m.private {
		_ = m.platform.SaveState(string(data)) // so that the post step finds nothing to do; else it looks, in vain
	}
	return errors.Join(errs...)
}

// deleteMade deletes what only this run has use for: an ephemeral identity, a token Secret just made.
func (m *minting) deleteMade(ctx context.Context) error {
	earlier := []receipt.Object(nil)
	if m.output.earlier != nil {
		earlier = m.output.earlier.Objects
	}
	mine := slices.DeleteFunc(slices.Clone(m.output.receipt.Objects), func(o receipt.Object) bool {
		return slices.Contains(earlier, o) || o.Kind == "Secret" && !m.made
	})
	return (&removal{run: m.run, client: m.client, record: m.output.receipt, fresh: true}).delete(ctx, mine)
}

// restore puts a file's former content back, or removes the file where there was none.
func restore(path string, before []byte) error {
	if before != nil { // so it was a regular file
		if have, err := readBounded(path); err == nil && bytes.Equal(have, before) {
			return nil // which takes no room on a full disk
		}
		return writeFile(path, before)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return problem.New(problem.Revoke, "delete "+path, cause(err), "this step may not write its directory: delete the file yourself")
	}
	return nil
}

// removeDirs removes the output's directories that we made, innermost first, for as long as nothing else is in them.
func removeDirs(record *receipt.Receipt) {
	for _, dir := range slices.Backward(record.Dirs) {
		if !strings.HasPrefix(record.Output, dir+string(filepath.Separator)) || os.Remove(dir) != nil {
			return
		}
	}
}

// deleteEarlier ends the credential that an earlier run left at the same output, now that the new one is in place. That
// it cannot be ended does not spoil the new one: the receipt keeps it for revoke.
func (m *minting) deleteEarlier(ctx context.Context) {
	record := m.output.receipt
	var kept []receipt.Object
	for _, lease := range record.Leases {
		if m.lease != nil && lease.Name == m.lease.Name {
			kept = append(kept, lease)
			continue
		}
		if err := m.revokeLease(ctx, m.client, record, lease); err != nil {
			m.log.Warnf("the credential that was here before lives on until `kubemint revoke`: %s", err)
			kept = append(kept, lease)
		}
	}
	objects, gone := record.Objects, []receipt.Object(nil)
	if m.output.earlier != nil {
		gone = slices.DeleteFunc(slices.Clone(objects), func(o receipt.Object) bool {
			return o.Kind == "Secret" || !slices.Contains(m.output.earlier.Objects, o)
		})
	}
	if err := (&removal{run: m.run, client: m.client, record: record}).delete(ctx, gone); err != nil {
		m.log.Warnf("the identity that was here before is not all gone: %s", err)
	} else {
		objects = slices.DeleteFunc(slices.Clone(objects), func(o receipt.Object) bool { return slices.Contains(gone, o) })
	}
	if len(kept) == len(record.Leases) && len(objects) == len(record.Objects) {
		return
	}
	record.Leases, record.Objects = kept, objects
	if err := m.saveReceipt(); err != nil { // it then names a lease that is gone, which harms nothing
		m.log.Warnf("%s", err)
	}
}
