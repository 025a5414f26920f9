package app

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
)

// receipts is where this job's receipts lie: never where the checkout can write.
func (r *run) receipts() receipt.Store {
	return receipt.Store{
		InWorkspace: r.inWorkspace,
		Outside:     r.platform.Outside,
		Temp:        existing(r.platform.Temp()),
		State:       r.stateDir(),
		Shared:      cmp.Or(r.getenv("TMPDIR"), os.TempDir()),
	}
}

// stateDir is the user's directory for state (XDG Base Directory Specification), "" where the user has no home.
func (r *run) stateDir() string {
	if dir := r.getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir
	}
	if runtime.GOOS == "windows" {
		return existing(r.getenv("LOCALAPPDATA"))
	}
	home := existing(r.getenv("HOME"))
	if home == "" {
		return ""
	}
	return filepath.Join(home, ".local", "state")
}

// existing is a directory's path, "" where it is not there: a runner's path need not be mounted into this container.
func existing(dir string) string {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() || !filepath.IsAbs(dir) {
		return ""
	}
	return dir
}

// newRecord begins the receipt of this run: which ServiceAccount at which API server, by which source.
func (m *minting) newRecord() *receipt.Receipt {
	account := m.cfg.Access.In(m.namespace).ServiceAccount
	return &receipt.Receipt{
		Server: m.source.Server, Fingerprint: fingerprint(m.source.CAData), Source: m.source.Origin,
		Account: receipt.Object{Kind: "ServiceAccount", Namespace: account.Namespace, Name: account.Name},
	}
}

// openReceipt records what this run is about to make, before it makes it.
func (m *minting) openReceipt() error {
	if !m.private {
		if err := m.platform.Ready(); err != nil {
			return err
		}
	}
	record := m.output.receipt
	record.Keep = m.lease == nil
	if earlier := m.output.earlier; earlier != nil {
		record.TokenHash = earlier.TokenHash
		record.Dirs = slices.Clone(earlier.Dirs)
		record.EnvFile = earlier.EnvFile
		if !m.output.expired {
			record.Leases = slices.Clone(earlier.Leases)
			record.Objects = slices.Clone(earlier.Objects)
		}
	}
	if m.desired.Ephemeral() {
		for _, o := range m.desired.Objects {
			if ref := kube.RefOf(o); ref.Kind != "Namespace" {
				record.Objects = append(record.Objects, object(o, ref.Kind))
			}
		}
	}
	if m.lease != nil {
		record.Leases = append(record.Leases, receipt.Object{Kind: "Lease", Namespace: m.lease.Namespace, Name: m.lease.Name})
	}
	if m.private {
		record.Dirs = []string{m.output.private}
		m.output.receiptPath = receipt.Path(m.output.path)
		return m.saveReceipt()
	}
	place, err := m.receiptPlace(m.output.path)
	if err != nil {
		return err
	}
	m.output.receiptPath = place
	made, err := makeDirs(m.output.path)
	record.Dirs = append(append(record.Dirs, m.output.lock.dirs...), made...)
	if err == nil {
		err = tryDirectory(m.output.path)
	}
	if err != nil {
		return err
	}
	return m.saveReceipt()
}

// receiptPlace is where the receipt of an output lies, or goes: the earlier run's place, where there is one.
func (r *run) receiptPlace(output string) (string, error) {
	if _, place, _ := r.receipts().Read(output); place != "" {
		return place, nil
	}
	place, err := r.receipts().Choose(output)
	if err != nil {
		return "", problem.New(problem.Config, "write receipt of "+output, err,
			"name an `output` outside the workspace, or set XDG_STATE_HOME to a directory outside it")
	}
	return place, nil
}

// recordObjects adds the UIDs of what this run made for itself alone, and a permanent token's Secret that is ours.
func (m *minting) recordObjects() error {
	made := map[receipt.Object]kube.Object{}
	for _, o := range m.desired.Objects {
		made[receipt.Object{Kind: kube.RefOf(o).Kind, Namespace: o.GetNamespace(), Name: o.GetName()}] = o
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
	theirs := m.othersSecret()
	m.output.receipt.Theirs = theirs
	if m.permanent != nil && len(theirs) == 0 {
		if secret := object(m.permanent, "Secret"); !slices.Contains(objects, secret) {
			objects = append(objects, secret)
		}
	}
	if len(objects)+len(theirs) == 0 {
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
	if err := writeFile(m.output.receiptPath, append(data, '\n')); err != nil {
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
	m.output.receipt.TokenHash = m.minted.Token.Hash()
	if !m.private && m.platform.EnvFile(platform.Result{}) != nil {
		m.output.receipt.EnvFile = true
	}
	m.output.receipt.ExpiresAt = m.expiry()
	if err := m.saveReceipt(); err != nil {
		return err
	}
	m.output.written = true
	return m.writeCredential(data)
}
