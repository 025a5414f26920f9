package app

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/platform"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// output is the written kubeconfig's place, and what lay there before.
type output struct {
	path        string      // as this process sees it
	receiptPath string      // "" until the receipt is opened, before which nothing was made
	lock        *outputLock // nil for a dry run, and for exec
	before      []byte      // content of an earlier run's file; nil where there is none
	envBefore   []byte      // the same of the file of outputs beside it
	earlier     *receipt.Receipt
	expired     bool // the earlier credential is for another cluster or account, and dead
	receipt     *receipt.Receipt
	written     bool   // the new file lies at path
	private     string // the directory of exec; "" for a mint
}

// chooseOutput finds the path and refuses one that must not be written: outside every mount, a file of the source, anything
// that is not ours, or a credential of ours for another cluster or ServiceAccount than record says.
func (r *run) chooseOutput(sourceFiles []string, record *receipt.Receipt) (*output, error) {
	o := &output{path: r.outputPath(), receipt: record}
	if err := r.platform.Visible(o.path); err != nil {
		return nil, err
	}
	if err := r.refuseLinkedParents(o.path); err != nil {
		return nil, err
	}
	if !r.cfg.Result.DryRun {
		var err error
		if o.lock, err = r.lockOutput(o.path); err != nil {
			return nil, err
		}
	}
	if err := r.examineOutput(o, sourceFiles, record); err != nil {
		o.lock.release(o.path)
		return nil, err
	}
	return o, nil
}

// examineOutput refuses what must not be replaced, and keeps what is there.
func (r *run) examineOutput(o *output, sourceFiles []string, record *receipt.Receipt) error {
	info, err := os.Lstat(o.path)
	for _, file := range sourceFiles {
		other, statErr := os.Stat(file)
		if file == o.path || (err == nil && statErr == nil && os.SameFile(info, other)) {
			return refuseOutput(o.path, "the source kubeconfig was read from this file")
		}
	}
	if err := o.findEarlier(r.receipts(), info, err); err != nil {
		return err
	}
	if err := o.refuseOther(record, r.now()); err != nil {
		return err
	}
	if o.expired {
		r.log.Printf("note: the credential that was here, for ServiceAccount %s/%s at %s, has expired: kubemint sweep deletes its lease",
			o.earlier.Account.Namespace, o.earlier.Account.Name, o.earlier.Server)
	}
	record.Output = o.path
	return r.readEnvFile(o)
}

// outputPath is the input `output`, or else where the platform wants it, as this process sees it.
func (r *run) outputPath() string {
	return r.platform.Absolute(r.platform.Inside(cmp.Or(r.cfg.Result.Output, r.platform.DefaultOutput())))
}

func refuseOutput(path, format string, args ...any) *problem.Error {
	return problem.Newf(problem.Config, "write "+path, format, args...).
		Hint("name another file in `output`, or move this one away")
}

// findEarlier reads what an earlier run left at the output: info and statErr are what the file system says of the path.
func (o *output) findEarlier(receipts receipt.Store, info fs.FileInfo, statErr error) error {
	earlier, path, receiptErr := receipts.Read(o.path)
	switch {
	case errors.Is(statErr, fs.ErrNotExist):
		if receiptErr != nil && !errors.Is(receiptErr, fs.ErrNotExist) {
			return refuseOutput(o.path, "its receipt is in the way: %w", receiptErr)
		}
		o.earlier = earlier // a run that was killed before it wrote the file: its lease may live
		return nil
	case statErr != nil:
		return unwritable(o.path, cause(statErr))
	case !info.Mode().IsRegular():
		return refuseOutput(o.path, "it exists and is not a regular file")
	case errors.Is(receiptErr, fs.ErrNotExist):
		return refuseOutput(o.path, "it exists and kubemint did not write it")
	case receiptErr != nil:
		return refuseOutput(o.path, "it exists, and its receipt cannot be used: %w", receiptErr)
	}
	before, err := readBounded(o.path)
	if err != nil {
		return unwritable(o.path, cause(err))
	}
	if t, err := tokenIn(o.path, before); err != nil || t.Hash() != earlier.TokenHash {
		return refuseOutput(o.path, "it exists and is not the file that its receipt %s names", path)
	}
	o.before, o.earlier = before, earlier
	return nil
}

// refuseOther refuses to replace a credential for another cluster or ServiceAccount that may live. To end that one, this run
// would have to log in by the earlier run's receipt.
func (o *output) refuseOther(record *receipt.Receipt, now time.Time) error {
	earlier := o.earlier
	if earlier == nil || earlier.SameTarget(record) {
		return nil
	}
	if end, err := time.Parse(time.RFC3339, earlier.ExpiresAt); err == nil && now.After(end.Add(expiredFor)) {
		o.expired = true
		return nil
	}
	return problem.Newf(problem.Config, "write "+o.path, "it is for ServiceAccount %s/%s at %s, and this run is for %s/%s at %s",
		earlier.Account.Namespace, earlier.Account.Name, earlier.Server, record.Account.Namespace, record.Account.Name, record.Server).
		Hint("name another file in `output`: one file holds one credential").
		Hint("or end the earlier credential first: kubemint revoke")
}

// expiredFor is how long ago a token has to have expired by this machine's clock to count as dead: the API server takes one for
// about a minute longer (65 s were seen), and clocks differ.
const expiredFor = 5 * time.Minute

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
	case o.earlier == nil || !o.earlier.EnvFile || !info.Mode().IsRegular():
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
func tokenIn(path string, data []byte) (secret.Value, error) {
	written, err := kubeconfig.Read(data)
	if err != nil || written.TokenFile == "" {
		return written.Token, err
	}
	if written.TokenFile != tokenFile(path) {
		return secret.Value{}, errors.New("not a kubeconfig that kubemint wrote")
	}
	content, err := readBounded(written.TokenFile)
	return secret.New(string(content)), err
}

// tokenFile is where exec keeps the token, beside the kubeconfig.
func tokenFile(output string) string { return filepath.Join(filepath.Dir(output), "token") }

func envFile(output string) string { return output + ".env" }

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
