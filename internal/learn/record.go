package learn

import (
	"cmp"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A record holds at most mostKept different requests, whose words are at most mostText bytes. From
// there on names are dropped, which leaves the rules right; for requests without names there is a
// tenth more.
const (
	mostKept = 100_000
	mostText = 16 << 20
)

// Record keeps what the requests of a command took. It is safe for use by several goroutines.
type Record struct {
	mu     sync.Mutex
	shapes map[Request]*Request // without names, so that many names share one
	seen   map[named]struct{}
	text   int // bytes of the words in both
	count  Counts
	began  time.Time // by the API server's clock; zero until it has said
}

// named is a request: all but its name, and that.
type named struct {
	shape *Request
	name  string
}

// NewRecord is an empty record.
func NewRecord() *Record {
	return &Record{shapes: map[Request]*Request{}, seen: map[named]struct{}{}}
}

// Add keeps a request.
func (r *Record) Add(seen Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Answered++
	if seen.Status == http.StatusUnauthorized {
		r.count.Unauthorized++
	}
	if r.keep(seen, mostKept, mostText) {
		return
	}
	seen.Name = ""
	if !r.keep(seen, mostKept+mostKept/10, mostText+mostText/10) {
		r.count.Lost++
	}
}

// keep keeps a request within bounds, and reports whether it is kept.
func (r *Record) keep(seen Request, requests, text int) bool {
	shape, name := seen.splitName()
	size := len(name)
	known := r.shapes[shape]
	if known == nil {
		size += shape.size()
	} else if _, kept := r.seen[named{known, name}]; kept {
		return true
	}
	if len(r.seen) >= requests || r.text+size > text {
		return false
	}
	if known == nil {
		known = shape.clone()
		r.shapes[*known] = known
	}
	r.seen[named{known, strings.Clone(name)}] = struct{}{}
	r.text += size
	return true
}

// Begin keeps when the first answer came, by the API server's clock.
func (r *Record) Begin(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.began.IsZero() {
		r.began = at
	}
}

// AddUnanswered keeps that the API server did not answer a request.
func (r *Record) AddUnanswered(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Unanswered++
	r.count.Cause = cause
}

// AddDeclined keeps that a request was not handed on.
func (r *Record) AddDeclined() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Declined++
}

// Counts are how many requests came of a command.
type Counts struct {
	Answered, Unanswered int
	Unauthorized         int   // were answered by 401
	Declined             int   // were not handed on: they named an identity to act as
	Lost                 int   // were too many to keep
	Cause                error // of the last request without an answer
}

// Count returns how many requests there were.
func (r *Record) Count() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

// start is when the first answer came, by the API server's clock.
func (r *Record) start() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.began
}

// Requests are the different requests in a settled order, without those that everybody may send.
func (r *Record) Requests() iter.Seq[Request] {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]named, 0, len(r.seen))
	for seen := range r.seen {
		if r := seen.request(); r.As != "" || !r.isOpen() { // a right to act as others is no open one
			all = append(all, seen)
		}
	}
	slices.SortFunc(all, compareNamed)
	return func(yield func(Request) bool) {
		for _, seen := range all {
			if !yield(seen.request()) {
				return
			}
		}
	}
}

// request is the request as it came.
func (n named) request() Request { return n.shape.withName(n.name) }

// compareNamed is the order in which requests are reported.
func compareNamed(x, y named) int {
	a := x.shape
	b := y.shape
	return cmp.Or(
		strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Group, b.Group),
		strings.Compare(a.Resource, b.Resource), strings.Compare(a.Subresource, b.Subresource),
		strings.Compare(a.URL, b.URL), strings.Compare(a.Verb, b.Verb),
		strings.Compare(x.name, y.name), cmp.Compare(a.Status, b.Status),
	)
}
