package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/receipt"
	"github.com/kubemint/kubemint/internal/token"
)

// output is the written kubeconfig's place, and what lay there before.
type output struct {
	path      string // as this process sees it
	before    []byte // content of an earlier run's file; nil where there is none
	envBefore []byte // the same of the file of outputs beside it
	earlier   *receipt.Receipt
	receipt   *receipt.Receipt
	elsewhere bool // the earlier run was on another API server
	written   bool // the new file lies at path
}

// chooseOutput finds the path and refuses one that must not be written: outside every mount, a file of the source, or
// anything that is not ours.
func (r *run) chooseOutput(sourceFiles []string) (*output, error) {
	path := r.cfg.Result.Output
	if path == "" {
		path = r.platform.DefaultOutput()
	}
	o := &output{path: r.platform.Absolute(r.platform.Inside(path))}
	if err := r.platform.Visible(o.path); err != nil {
		return nil, err
	}
	info, err := os.Lstat(o.path)
	refuse := func(format string, args ...any) (*output, error) {
		return nil, problem.Newf(problem.Config, "write "+o.path, format, args...).
			Hint("name another file in `output`, or move this one away")
	}
	for _, file := range sourceFiles {
		if other, statErr := os.Stat(file); file == o.path || err == nil && statErr == nil && os.SameFile(info, other) {
			return refuse("the source kubeconfig was read from this file")
		}
	}
	earlier, receiptErr := receipt.Read(o.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if receiptErr != nil && !errors.Is(receiptErr, fs.ErrNotExist) {
			return refuse("beside it lies a file that is in the way: %w", receiptErr)
		}
		o.earlier = earlier // a run that was killed before it wrote the file: its lease may live
		return o, r.readEnvFile(o)
	case err != nil:
		return nil, unwritable(o.path, cause(err))
	case !info.Mode().IsRegular():
		return refuse("it exists and is not a regular file")
	case receiptErr != nil:
		return refuse("it exists and kubemint did not write it")
	}
	if o.before, err = readBounded(o.path); err != nil {
		return nil, unwritable(o.path, cause(err))
	}
	if id, err := kubeconfig.TokenID(o.before); err != nil || id != earlier.TokenID {
		return refuse("it exists and is not what its receipt says")
	}
	o.earlier = earlier
	return o, r.readEnvFile(o)
}

// readEnvFile keeps what the file of outputs beside the kubeconfig holds, and refuses to replace one that is not ours.
func (r *run) readEnvFile(o *output) (err error) {
	if r.platform.EnvFile(platform.Result{}) == nil {
		return nil
	}
	path := envFile(o.path)
	o.envBefore, err = readBounded(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unwritable(path, cause(err))
	case o.earlier == nil || o.earlier.EnvFile != path:
		return problem.Newf(problem.Config, "write "+path, "it exists and kubemint did not write it").
			Hint("the outputs go beside the kubeconfig: name another file in `output`, or move this one away")
	}
	return nil
}

func envFile(output string) string { return output + ".env" }

// openReceipt records what this run is about to make, before it makes it.
func (m *minting) openReceipt() error {
	if err := m.platform.Ready(); err != nil {
		return err
	}
	record := &receipt.Receipt{
		Server: m.source.Server, Fingerprint: fingerprint(m.source.CAData), Source: m.source.Origin,
		Output: m.output.path, Keep: m.lease == nil,
	}
	if earlier := m.output.earlier; earlier != nil {
		record.TokenID, record.Dirs, record.EnvFile = earlier.TokenID, earlier.Dirs, earlier.EnvFile
		m.output.elsewhere = earlier.Server != record.Server || earlier.Fingerprint != record.Fingerprint
		if !m.output.elsewhere {
			record.Leases = slices.Clone(earlier.Leases)
		}
	}
	if m.lease != nil {
		record.Leases = append(record.Leases, receipt.Object{Kind: "Lease", Namespace: m.lease.Namespace, Name: m.lease.Name})
	}
	m.output.receipt = record
	made, err := makeDirs(m.output.path)
	record.Dirs = append(record.Dirs, made...)
	if err != nil {
		return err
	}
	return m.saveReceipt()
}

// recordLease adds the UID that the API server gave the lease.
func (m *minting) recordLease() error {
	leases := m.output.receipt.Leases
	leases[len(leases)-1].UID = m.lease.UID
	return m.saveReceipt()
}

func (m *minting) saveReceipt() error {
	data, err := m.output.receipt.Encode()
	if err != nil {
		return problem.New(problem.Config, "write receipt", err)
	}
	if err := writeFile(receipt.Path(m.output.path), append(data, '\n')); err != nil {
		return err
	}
	return m.platform.SaveState(string(data))
}

// write puts the kubeconfig in place. The receipt names the token first, so that revoke knows the file.
func (m *minting) write(data []byte) error {
	m.output.receipt.TokenID = m.minted.Claims.ID
	m.output.receipt.ExpiresAt = m.minted.ExpiresAt.Format(time.RFC3339)
	if err := m.saveReceipt(); err != nil {
		return err
	}
	m.output.written = true
	return writeFile(m.output.path, data)
}

// rollBackWithin keeps a cancelled run inside what a CI runner waits before it kills (GitHub: 7.5 s).
const rollBackWithin = 4 * time.Second

// rollBack takes back what this run made: first the lease, with which the token dies, then the files. What was there
// before is there again. What the cluster shares between runs (ServiceAccount, roles, bindings) stays.
func (m *minting) rollBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollBackWithin)
	defer cancel()
	o := m.output
	if o == nil || o.receipt == nil {
		return nil
	}
	var errs []error
	alive := false
	if m.maybe {
		if err := token.Revoke(ctx, m.client, m.lease.Namespace, m.lease.Name, m.lease.UID); err != nil {
			alive = true
			lease := receipt.Object{Namespace: m.lease.Namespace, Name: m.lease.Name}
			err = m.client.Explain(problem.Revoke, "delete Lease "+lease.Namespace+"/"+lease.Name, err)
			errs = append(errs, hint(err, problem.Revoke, "a credential may live on: remove it with  "+deleteCommand(lease)))
		}
	}
	if o.written {
		errs = append(errs, restore(o.path, o.before))
	}
	if o.receipt.EnvFile != "" {
		errs = append(errs, restore(o.receipt.EnvFile, o.envBefore))
	}
	switch {
	case alive && !o.elsewhere: // the receipt stays for `kubemint revoke`, with the token that is in the file again
		if o.earlier != nil {
			o.receipt.TokenID = o.earlier.TokenID
		}
		return errors.Join(append(errs, m.saveReceipt())...)
	case o.earlier != nil:
		if data, err := o.earlier.Encode(); err == nil {
			errs = append(errs, restore(receipt.Path(o.path), append(data, '\n')))
		}
	default:
		errs = append(errs, restore(receipt.Path(o.path), nil))
		removeDirs(o.receipt)
	}
	if alive {
		return errors.Join(errs...)
	}
	o.receipt.Leases, o.receipt.TokenID = nil, ""
	if data, err := o.receipt.Encode(); err == nil {
		_ = m.platform.SaveState(string(data)) // so that the post step finds nothing to do; else it looks, in vain
	}
	return errors.Join(errs...)
}

// restore puts a file's former content back, or removes the file where there was none.
func restore(path string, before []byte) error {
	if before != nil {
		return writeFile(path, before)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return problem.New(problem.Revoke, "delete "+path, cause(err))
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
	if m.output.elsewhere {
		ctx, cancel := context.WithTimeout(ctx, rollBackWithin) // that cluster may be gone
		defer cancel()
		if err := m.revokeLeases(ctx, m.output.earlier); err != nil {
			m.log.warnf("the credential that was here before, for %q, lives on until %s: %s", m.output.earlier.Server, until(m.output.earlier), err)
		}
		return
	}
	var kept []receipt.Object
	for _, lease := range record.Leases {
		if m.lease != nil && lease.Name == m.lease.Name {
			kept = append(kept, lease)
			continue
		}
		if err := m.revokeLease(ctx, m.client, record, lease); err != nil {
			m.log.warnf("the credential that was here before lives on: %s", err)
			kept = append(kept, lease)
		}
	}
	if len(kept) == len(record.Leases) {
		return
	}
	record.Leases = kept
	if err := m.saveReceipt(); err != nil { // it then names a lease that is gone, which harms nothing
		m.log.warnf("%s", err)
	}
}

// fingerprint is the SHA-256 of a CA bundle, "" for none.
func fingerprint(bundle []byte) string {
	if len(bundle) == 0 {
		return ""
	}
	sum := sha256.Sum256(bundle)
	return hex.EncodeToString(sum[:])
}

func hostOf(server string) string {
	if u, err := url.Parse(server); err == nil && u.Host != "" {
		return u.Hostname()
	}
	return server
}
