package app

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubemint/kubemint/internal/client"
	"github.com/kubemint/kubemint/internal/output/private"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source"
)

// leftover deals with the private directories of exec whose runs were killed: each holds a live token.
type leftover struct {
	*run
	client *client.Client
	source *source.Source // whose cluster's leases may be ended
}

// removeAll ends the leases that the directories name and removes the directories, whatever becomes of the
// leases: the token must not lie there any longer. It returns what is still alive or still there.
func (l leftover) removeAll(ctx context.Context, dryRun bool) error {
	var errs []error
	for _, dir := range private.FindLeft(l.privateBases()...) {
		if dryRun {
			leases := leasesNamed(dir.Path)
			l.log.Printf("dry run: %s of a killed `kubemint exec` would be removed%s", dir.Path, leases)
			_ = dir.Release()
			continue
		}
		err := l.endLeases(ctx, dir.Path)
		if removeErr := dir.Remove(); removeErr != nil {
			err = errors.Join(err, problem.New(problem.Revoke, "delete "+dir.Path, cause(removeErr),
				"it holds a token: delete it yourself"))
		} else {
			l.log.Printf("%-10s %s, left by a `kubemint exec` that was killed", "deleted", dir.Path)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func leasesNamed(dir string) string {
	record, err := receipt.Read(filepath.Join(dir, kubeconfigName))
	if err != nil || len(record.Leases) == 0 {
		return ""
	}
	var names []string
	for _, lease := range record.Leases {
		names = append(names, lease.Namespace+"/"+lease.Name)
	}
	return ", and its lease ended: " + strings.Join(names, ", ")
}

// endLeases ends the leases of one directory's receipt. The receipt is data, since whatever ran as this user can
// have written it: a lease has to be of this cluster, and revokeLease checks its name and its UID.
func (l leftover) endLeases(ctx context.Context, dir string) error {
	record, err := receipt.Read(filepath.Join(dir, kubeconfigName))
	if err != nil {
		l.log.Warnf("%s has no receipt that names its lease: if it held a token, that lives until it expires, "+
			"or until its lease is deleted", dir)
	}
	if record == nil {
		return nil
	}
	var errs []error
	for _, lease := range record.Leases {
		name := lease.Namespace + "/" + lease.Name
		if err := l.refuseElsewhere(dir, record, lease); err != nil {
			errs = append(errs, err)
			continue
		}
		if err := l.revokeLease(ctx, l.client, record, lease); err != nil {
			errs = append(errs, err)
			continue
		}
		l.log.Printf("%-10s Lease %s", "deleted", name)
	}
	return errors.Join(errs...)
}

// refuseElsewhere is the error for a lease of another cluster: one of that name in this cluster is not the one.
func (l leftover) refuseElsewhere(dir string, record *receipt.Receipt, lease receipt.Object) error {
	if record.Server == l.source.Server && record.Fingerprint == fingerprint(l.source.CAData) {
		return nil
	}
	p := problem.Newf(problem.Revoke, "delete Lease "+lease.Namespace+"/"+lease.Name,
		"%s names it as one of another cluster, %q", dir, record.Server)
	if !namesLeaseOf(record, lease) {
		return p.Hint("kubemint gives no lease that name: see what runs as this user, and wrote that directory's receipt")
	}
	return p.Hint("its credential lives until %s unless you run, on that cluster,  %s", until(record), deleteCommand(lease))
}

// removeLeftWithin bounds what an exec does about others, while its own command runs.
const removeLeftWithin = 10 * time.Second

// removeLeft is removeAll beside a running command: it only ever warns. wait returns when it is over, soon.
func (m *minting) removeLeft(ctx context.Context) (wait func()) {
	ctx, cancel := context.WithTimeout(ctx, removeLeftWithin)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := leftover{m.run, m.client, m.source}.removeAll(ctx, false)
		for _, err := range problem.All(err) {
			m.log.Warnf("%s", err)
			if p, ok := errors.AsType[*problem.Error](err); ok {
				for _, hint := range p.Hints {
					m.log.Printf("hint: %s", hint)
				}
			}
		}
	}()
	return func() {
		hurry := time.AfterFunc(rollBackWithin, cancel)
		<-done
		hurry.Stop()
		cancel()
	}
}
