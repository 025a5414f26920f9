package output

import (
	"slices"
	"sync"

	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
)

// Journal is the receipt of a run in progress. What the run is about to make stands in it before
// the request is sent, so that revoke finds it whatever happens next.
type Journal struct {
	path  string                       // of the receipt
	state func(*receipt.Receipt) error // hands it to the post step; nil: no post step

	mu     sync.Mutex
	record *receipt.Receipt
}

// NewJournal keeps a record in the receipt at path. state may be nil.
func NewJournal(path string, record *receipt.Receipt, state func(*receipt.Receipt) error) *Journal {
	return &Journal{path: path, record: record, state: state}
}

// Record returns a copy of the record so far.
func (j *Journal) Record() *receipt.Receipt {
	j.mu.Lock()
	defer j.mu.Unlock()
	record := *j.record
	record.Leases = slices.Clone(record.Leases)
	record.Objects = slices.Clone(record.Objects)
	return &record
}

// Update changes the record and saves it.
func (j *Journal) Update(change func(record *receipt.Receipt)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(j.record)
	return j.save()
}

// Note changes the record, which the next Update saves: for what revoke can do without.
func (j *Journal) Note(change func(record *receipt.Receipt)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(j.record)
}

// save writes the file first: the step state may have no room for all of it.
func (j *Journal) save() error {
	data, err := j.record.Encode()
	if err != nil {
		return problem.New(problem.Config, "write receipt", err)
	}
	if err := Write(j.path, append(data, '\n')); err != nil {
		return err
	}
	if j.state == nil {
		return nil
	}
	return j.state(j.record)
}

// Close decides about the receipt after everything else was taken back: it stays while a credential
// of its run lives, gives way to the receipt of the credential that is in place again, or goes.
func (j *Journal) Close(alive bool, earlier *receipt.Receipt) error {
	if alive {
		return j.Update(func(record *receipt.Receipt) {
			if earlier == nil {
				return
			}
			record.TokenHash = earlier.TokenHash // its token is in the file again
			record.ExpiresAt = laterExpiry(earlier.ExpiresAt, record.ExpiresAt)
		})
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.putBack(earlier)
	j.record.Leases = nil
	j.record.TokenHash = ""
	if j.state != nil {
		_ = j.state(j.record) // so that the post step has nothing to do; if this fails, it looks in vain
	}
	return err
}

// laterExpiry is the end of the longer-lived of two credentials that may both be alive. Both are
// RFC 3339 in UTC, so that text order is time order; an unknown one ("") counts as the latest.
func laterExpiry(a, b string) string {
	if a == "" || b == "" {
		return ""
	}
	return max(a, b)
}

func (j *Journal) putBack(earlier *receipt.Receipt) error {
	if earlier == nil {
		err := deleteReceipt(j.path, j.record.Output)
		removeDirs(j.record)
		return err
	}
	data, err := earlier.Encode()
	if err != nil {
		return problem.New(problem.Revoke, "write receipt", err)
	}
	return Restore(j.path, append(data, '\n'))
}
