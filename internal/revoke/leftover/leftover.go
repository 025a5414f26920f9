package leftover

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/private"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

// Finder deals with the private directories of exec whose runs were killed: each holds a live
// token.
type Finder struct {
	Bases   []string                      // where private directories are made
	Server  string                        // the cluster whose leases may be ended
	HasCA   func(fingerprint string) bool // whether its CA has this fingerprint
	Revoker revoke.Revoker
	Log     *console.Log
}

// RemoveAll ends the leases that the directories name and removes the directories, whatever becomes
// of the leases: the token must not lie there any longer. It returns what is still alive or still
// there.
func (f Finder) RemoveAll(ctx context.Context, dryRun bool) error {
	var errs []error
	for _, dir := range private.FindLeft(f.Bases...) {
		if dryRun {
			f.Log.Printf(
				"dry run: %s of a killed `kubemint exec` would be removed%s", dir.Path, nameLeases(dir.Path),
			)
			_ = dir.Release()
			continue
		}
		err := f.endLeases(ctx, dir.Path)
		if removeErr := dir.Remove(); removeErr != nil {
			err = errors.Join(err, problem.New(problem.Revoke, "delete "+dir.Path, output.Cause(removeErr),
				"it holds a token: delete it yourself"))
		} else {
			f.Log.Printf("%-10s %s, left by a `kubemint exec` that was killed", "deleted", dir.Path)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func readLeft(dir string) (*receipt.Receipt, error) {
	return receipt.Read(output.InDirectory(dir))
}

func nameLeases(dir string) string {
	record, err := readLeft(dir)
	if err != nil || len(record.Leases) == 0 {
		return ""
	}
	var names []string
	for _, lease := range record.Leases {
		names = append(names, lease.Namespace+"/"+lease.Name)
	}
	return ", and its lease ended: " + strings.Join(names, ", ")
}

// endLeases ends the leases of one directory's receipt. The receipt is data, since whatever ran as
// this user can have written it: a lease has to be of this cluster, and the revoker checks its name
// and its UID.
func (f Finder) endLeases(ctx context.Context, dir string) error {
	record, err := readLeft(dir)
	if err != nil {
		f.Log.Warnf("%s has no receipt that names its lease: if it held a token, that lives until it expires, "+
			"or until its lease is deleted", dir)
	}
	if record == nil {
		return nil
	}
	if record.Server != f.Server || !f.HasCA(record.Fingerprint) {
		return refuseElsewhere(dir, record)
	}
	_, err = f.Revoker.Record(ctx, record, revoke.Part{Leases: record.Leases}, func(lease receipt.Object) {
		f.Log.Printf("%-10s Lease %s/%s", "deleted", lease.Namespace, lease.Name)
	})
	return err
}

// refuseElsewhere is the error for the leases of another cluster: one of that name in this cluster
// is not the one.
func refuseElsewhere(dir string, record *receipt.Receipt) error {
	var errs []error
	for _, lease := range record.Leases {
		p := problem.Newf(problem.Revoke, "delete Lease "+lease.Namespace+"/"+lease.Name,
			"%s names it as one of another cluster, %q", dir, record.Server)
		if revoke.IsLeaseOf(record, lease) {
			p.Hint("its credential lives until %s unless you run, on that cluster,  %s",
				revoke.Until(record), revoke.DeleteCommand(lease))
		} else {
			p.Hint(
				"kubemint gives no lease that name: see what runs as this user, and wrote that directory's receipt",
			)
		}
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}

const (
	// removeLeftWithin bounds how long exec cleans up after other runs, while its own command runs.
	removeLeftWithin = 10 * time.Second
	// hurryWithin is how long it may still take once that command has ended.
	hurryWithin = 3 * time.Second
)

// Start runs RemoveAll while a command runs: it only warns. wait returns when it is done, after
// [hurryWithin] at most.
func (f Finder) Start(ctx context.Context) (wait func()) {
	ctx, cancel := context.WithTimeout(ctx, removeLeftWithin)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, err := range problem.ListErrors(f.RemoveAll(ctx, false)) {
			f.Log.Warnf("%s", err)
			if p, ok := errors.AsType[*problem.Error](err); ok {
				for _, hint := range p.Hints {
					f.Log.Printf("hint: %s", hint)
				}
			}
		}
	}()
	return func() {
		hurry := time.AfterFunc(hurryWithin, cancel)
		<-done
		hurry.Stop()
		cancel()
	}
}
