package undo

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/kubemint/kubemint/internal/output"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/revoke"
)

// Order says when an entry is undone. Entries of one order are undone last to first.
type Order int

// The orders: a credential ends before anything else is touched.
const (
	Beside Order = iota // at the same time as all that follows the credentials
	Credentials
	Objects
	Files
)

// Stack records what a run has made or is about to make, and how to undo it.
type Stack struct {
	Journal *output.Journal // the same, for a run that does not live to undo it
	Revoker revoke.Revoker

	mu      sync.Mutex
	entries []*Entry
}

// New returns an empty stack.
func New(journal *output.Journal, revoker revoke.Revoker) *Stack {
	return &Stack{Journal: journal, Revoker: revoker}
}

// Entry is one thing to take back.
type Entry struct {
	stack  *Stack
	remedy string
	order  Order
	undo   func(ctx context.Context) error
}

// Push adds an entry: what a person can do where undoing fails, and how it is undone.
func (s *Stack) Push(order Order, remedy string, undo func(ctx context.Context) error) *Entry {
	entry := &Entry{stack: s, remedy: remedy, order: order, undo: undo}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = append(s.entries, entry)
	return entry
}

// Drop takes the entry off the stack: its subject was not made, or is gone. An entry that is nil
// has none.
func (e *Entry) Drop() {
	if e == nil {
		return
	}
	e.stack.mu.Lock()
	defer e.stack.mu.Unlock()
	e.stack.entries = slices.DeleteFunc(e.stack.entries, func(other *Entry) bool { return other == e })
}

// PushLease adds the end of the credential that hangs on a lease of this run.
func (s *Stack) PushLease(its receipt.Object) *Lease {
	l := &Lease{}
	remedy := "a credential may live on: remove it with  " + revoke.DeleteCommand(its)
	l.Entry = s.Push(Credentials, remedy, func(ctx context.Context) error {
		record := s.Journal.Record()
		at := slices.IndexFunc(record.Leases, func(o receipt.Object) bool {
			return o.Namespace == its.Namespace && o.Name == its.Name
		})
		if at >= 0 {
			its = record.Leases[at] // with the UIDs that are known by now
		}
		return s.Revoker.Own(ctx, record, its, l.requested())
	})
	return l
}

// Lease is the entry of a lease.
type Lease struct {
	*Entry
	tokens bool
}

// RequestToken says that a token that hangs on the lease is about to be requested: from then on
// undoing it means to see its end. notSent takes that back.
func (l *Lease) RequestToken() (notSent func()) {
	before := l.set(true)
	return func() { l.set(before) }
}

func (l *Lease) set(tokens bool) (before bool) {
	l.stack.mu.Lock()
	defer l.stack.mu.Unlock()
	before = l.tokens
	l.tokens = tokens
	return before
}

func (l *Lease) requested() bool {
	l.stack.mu.Lock()
	defer l.stack.mu.Unlock()
	return l.tokens
}

// Run undoes everything, whatever fails before it. alive says that a credential or an object may be
// left.
func (s *Stack) Run(ctx context.Context) (alive bool, err error) {
	entries := s.take()
	leases := undoAll(ctx, entries[Credentials])
	// Giving back the lock may be tried again and again, over the connection that ends the
	// credential.
	others := make(chan error)
	go func() { others <- undoAll(ctx, entries[Beside]) }()
	objects := undoAll(ctx, entries[Objects])
	files := undoAll(ctx, entries[Files])
	return leases != nil || objects != nil, errors.Join(leases, objects, files, <-others)
}

// take empties the stack.
func (s *Stack) take() map[Order][]*Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	byOrder := map[Order][]*Entry{}
	for _, entry := range slices.Backward(s.entries) {
		byOrder[entry.order] = append(byOrder[entry.order], entry)
	}
	s.entries = nil
	return byOrder
}

func undoAll(ctx context.Context, entries []*Entry) error {
	var errs []error
	for _, entry := range entries {
		err := entry.undo(ctx)
		if _, told := errors.AsType[*revoke.AliveError](err); !told && entry.remedy != "" {
			err = problem.AddHint(err, problem.Revoke, entry.remedy)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
