package app

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kubemint/kubemint/internal/access"
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
	elsewhere bool   // the earlier run was on another API server
	written   bool   // the new file lies at path
	private   string // the directory of exec; "" for a mint
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
	if err := r.refuseLinkedParents(o.path); err != nil {
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
	if t, err := tokenIn(o.path, o.before); err != nil || t.ID() != earlier.TokenID {
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
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return unwritable(path, cause(err))
	case o.earlier == nil || o.earlier.EnvFile != path || !info.Mode().IsRegular():
		return problem.Newf(problem.Config, "write "+path, "it exists and kubemint did not write it").
			Hint("the outputs go beside the kubeconfig: name another file in `output`, or move this one away")
	}
	if o.envBefore, err = readBounded(path); err != nil {
		return unwritable(path, cause(err))
	}
	return nil
}

// tokenIn returns the token of a kubeconfig of ours. Where it names a file for it, as that of exec does, only the one that
// we would have put beside it is read.
func tokenIn(path string, data []byte) (token.Token, error) {
	t, file, err := kubeconfig.Token(data)
	if err != nil || file == "" {
		return t, err
	}
	if file != tokenFile(path) {
		return t, errors.New("not a kubeconfig that kubemint wrote")
	}
	content, err := readBounded(file)
	return token.New(string(content)), err
}

// tokenFile is where exec keeps the token, beside the kubeconfig.
func tokenFile(output string) string { return filepath.Join(filepath.Dir(output), "token") }

func envFile(output string) string { return output + ".env" }

// openReceipt records what this run is about to make, before it makes it.
func (m *minting) openReceipt() error {
	if !m.private {
		if err := m.platform.Ready(); err != nil {
			return err
		}
	}
	record := &receipt.Receipt{
		Server: m.source.Server, Fingerprint: fingerprint(m.source.CAData), Source: m.source.Origin,
		Output: m.output.path, Keep: m.lease == nil,
	}
	if earlier := m.output.earlier; earlier != nil {
		record.TokenID, record.Dirs, record.EnvFile = earlier.TokenID, earlier.Dirs, earlier.EnvFile
		m.output.elsewhere = earlier.Server != record.Server || earlier.Fingerprint != record.Fingerprint
		if !m.output.elsewhere {
			record.Leases, record.Objects = slices.Clone(earlier.Leases), slices.Clone(earlier.Objects)
		}
	}
	if m.desired.Ephemeral() {
		for _, o := range m.desired.Objects {
			if ref := access.RefOf(o); ref.Kind != "Namespace" {
				record.Objects = append(record.Objects, object(o, ref.Kind))
			}
		}
	}
	if m.lease != nil {
		record.Leases = append(record.Leases, receipt.Object{Kind: "Lease", Namespace: m.lease.Namespace, Name: m.lease.Name})
	}
	m.output.receipt = record
	made, err := makeDirs(m.output.path)
	record.Dirs = append(record.Dirs, made...)
	if m.private {
		record.Dirs = []string{m.output.private}
	}
	if err != nil {
		return err
	}
	return m.saveReceipt()
}

// recordObjects adds the UIDs of what this run made for itself alone, and a permanent token's Secret that is ours.
func (m *minting) recordObjects() error {
	made := map[receipt.Object]access.Object{}
	for _, o := range m.desired.Objects {
		made[receipt.Object{Kind: access.RefOf(o).Kind, Namespace: o.GetNamespace(), Name: o.GetName()}] = o
	}
	if m.permanent != nil {
		made[receipt.Object{Kind: "Secret", Namespace: m.permanent.Namespace, Name: m.permanent.Name}] = m.permanent
	}
	objects := m.output.receipt.Objects
	for i, recorded := range objects {
		if o := made[recorded]; o != nil {
			objects[i].UID = o.GetUID()
		}
	}
	if m.permanent != nil && access.Managed(m.permanent, m.desired.Access.ServiceAccount) {
		if secret := object(m.permanent, "Secret"); !slices.Contains(objects, secret) {
			objects = append(objects, secret)
		}
	}
	if len(objects) == 0 {
		return nil
	}
	m.output.receipt.Objects = objects
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
	if m.private {
		return nil // exec revokes by itself, and there is no post step
	}
	if data, err = m.output.receipt.Small().Encode(); err != nil {
		return problem.New(problem.Config, "write receipt", err)
	}
	return m.platform.SaveState(string(data))
}

// write puts the kubeconfig in place. The receipt names the token first, and the file of outputs, so that revoke knows them.
func (m *minting) write(data []byte) error {
	m.output.receipt.TokenID = m.minted.Claims.ID
	if !m.private && m.platform.EnvFile(platform.Result{}) != nil {
		m.output.receipt.EnvFile = envFile(m.output.path)
	}
	m.output.receipt.ExpiresAt = m.expiry()
	if err := m.saveReceipt(); err != nil {
		return err
	}
	m.output.written = true
	if m.private {
		if err := writeFile(m.written.TokenFile, []byte(m.minted.Token.Reveal())); err != nil {
			return err
		}
	}
	return writeFile(m.output.path, data)
}

// expiry is the output expires_at: RFC 3339 in UTC, "" for a permanent token.
func (m *minting) expiry() string {
	if m.minted.Permanent() {
		return ""
	}
	return m.minted.ExpiresAt.Format(time.RFC3339)
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
