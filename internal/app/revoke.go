package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/cluster"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/receipt"
	"github.com/kubemint/kubemint/internal/token"
)

// revokeWithin bounds the whole of a revocation: a post step must not hold the job.
const revokeWithin = time.Minute

// revoke kills what an earlier run made, by its receipt: leases first, then the files. Everything is tried, whatever
// fails before it. A configuration that has become faulty is no reason to leave a credential alive.
func (r *run) revoke(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, revokeWithin)
	defer cancel()
	if err := r.load(ctx); err != nil {
		r.log.warnf("the inputs are not all valid, revoking all the same: %s", err)
	}
	record, err := r.findReceipt()
	if err != nil {
		return err
	}
	if record == nil {
		r.log.printf("nothing to revoke: no receipt of an earlier run is here")
		return nil
	}
	if len(record.Leases) == 0 && !record.Keep {
		r.log.printf("nothing to revoke: the run took back what it had made")
		return nil
	}
	leaseErr := r.revokeLeases(ctx, record)
	if record.Keep { // a lease in it is one of an earlier run at the same output
		r.log.printf("nothing to revoke: the credential was minted with `revoke: false` and lives until %s", until(record))
		return leaseErr
	}
	if leaseErr != nil && expired(record) {
		r.log.warnf("the lease could not be deleted, but its token has expired: %s", leaseErr)
		leaseErr = nil
	}
	return errors.Join(leaseErr, r.deleteFiles(record, leaseErr == nil))
}

// until completes "lives until". The time is missing where the run was killed before it had a token.
func until(record *receipt.Receipt) string {
	if record.ExpiresAt == "" {
		return "it expires"
	}
	return record.ExpiresAt
}

func expired(record *receipt.Receipt) bool {
	at, err := time.Parse(time.RFC3339, record.ExpiresAt)
	return err == nil && time.Since(at) > 0
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

// revokeLeases deletes the leases on the server that the receipt names, and on no other.
func (r *run) revokeLeases(ctx context.Context, record *receipt.Receipt) error {
	if len(record.Leases) == 0 {
		return nil
	}
	client, err := r.reconnect(record)
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
		r.log.printf("revoked: lease %s/%s is deleted; new requests are refused within about 10 s", lease.Namespace, lease.Name)
	}
	return errors.Join(errs...)
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

// reconnect loads the source that the receipt records. $KUBECONFIG may by now name our own file.
func (r *run) reconnect(record *receipt.Receipt) (*cluster.Client, error) {
	getenv, given := r.getenv, ""
	switch record.Source.Kind {
	case receipt.KindFile:
		list := strings.Join(record.Source.Paths, string(os.PathListSeparator))
		getenv = func(name string) string {
			if name == "KUBECONFIG" {
				return list
			}
			return r.getenv(name)
		}
	case receipt.KindContent:
		given = r.cfg.Source.Kubeconfig
		if given == "" {
			return nil, problem.Newf(problem.Revoke, "read source", "the credential was minted from a kubeconfig given as content").
				Hint("give the input `kubeconfig` to this command as well")
		}
	case receipt.KindInCluster:
		getenv = func(name string) string {
			if name == "KUBECONFIG" || name == "HOME" || name == "USERPROFILE" {
				return ""
			}
			return r.getenv(name)
		}
	default:
		return nil, problem.Newf(problem.Revoke, "read receipt", "unknown kind of source %q", record.Source.Kind)
	}
	s, err := r.loadSource(given, record.Source.Context, getenv)
	if err != nil {
		return nil, err
	}
	if s.Server != record.Server || fingerprint(s.CAData) != record.Fingerprint {
		return nil, problem.Newf(problem.Revoke, "read source", "it is now for %s, and the credential was minted at %q", s.Server, record.Server).
			Hint("nothing was deleted there: another cluster's lease could have the same name")
	}
	return r.connect(s.REST)
}

// revokeLease deletes one lease. A receipt is data: a Lease that is not called as ours are is not touched.
func (r *run) revokeLease(ctx context.Context, client *cluster.Client, record *receipt.Receipt, lease receipt.Object) error {
	op := "delete Lease " + lease.Namespace + "/" + lease.Name
	if !strings.HasPrefix(lease.Name, token.LeasePrefix) {
		return problem.Newf(problem.Revoke, op, "the receipt names an object that kubemint does not make")
	}
	err := client.Explain(problem.Revoke, op, token.Revoke(ctx, client, lease.Namespace, lease.Name, lease.UID))
	return hint(err, problem.Revoke, "the credential lives until "+until(record)+" unless you run  "+deleteCommand(lease))
}

// deleteFiles deletes what the run wrote. The kubeconfig goes only if it still holds the recorded token; the receipt
// stays for another try where a lease is left.
func (r *run) deleteFiles(record *receipt.Receipt, dead bool) error {
	var errs []error
	data, err := readBounded(record.Output)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		errs = append(errs, problem.New(problem.Revoke, "delete "+record.Output, cause(err)))
	default:
		if id, err := kubeconfig.TokenID(data); err != nil || id != record.TokenID {
			r.log.warnf("%s is left: it is not the kubeconfig that the receipt names", record.Output)
			break
		}
		errs = append(errs, restore(record.Output, nil))
	}
	if beside, err := receipt.Read(record.Output); err != nil || !sameRun(beside, record) {
		return errors.Join(errs...) // the step state's receipt; what lies there is another run's
	}
	if record.EnvFile == envFile(record.Output) {
		errs = append(errs, restore(record.EnvFile, nil))
	}
	if dead {
		errs = append(errs, restore(receipt.Path(record.Output), nil))
		removeDirs(record)
	}
	return errors.Join(errs...)
}

// sameRun says whether two receipts name a lease in common, whose name is random.
func sameRun(a, b *receipt.Receipt) bool {
	return slices.ContainsFunc(a.Leases, func(lease receipt.Object) bool {
		return slices.ContainsFunc(b.Leases, func(other receipt.Object) bool {
			return lease.Namespace == other.Namespace && lease.Name == other.Name
		})
	})
}
