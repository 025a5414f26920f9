package learn

import (
	"cmp"
	"maps"
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
	mu         sync.Mutex
	seen       map[Request]int // how often
	text       int             // bytes of the words in seen
	total      int
	lost       int // requests that were too many to keep
	unanswered int
	cause      error     // of the last request without an answer
	began      time.Time // by the API server's clock; zero until it has said
}

// NewRecord is an empty record.
func NewRecord() *Record { return &Record{seen: map[Request]int{}} }

// Add keeps a request.
func (r *Record) Add(seen Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
	if !r.hasRoom(seen, mostKept, mostText) {
		seen.Name = ""
	}
	if !r.hasRoom(seen, mostKept+mostKept/10, mostText+mostText/10) {
		r.lost++
		return
	}
	if r.seen[seen] == 0 {
		seen = seen.clone()
		r.text += seen.size()
	}
	r.seen[seen]++
}

// hasRoom reports whether a request can be counted within bounds.
func (r *Record) hasRoom(seen Request, requests, text int) bool {
	return r.seen[seen] > 0 || (len(r.seen) < requests && r.text+seen.size() <= text)
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
	r.unanswered++
	r.cause = cause
}

// Counts are how many requests came of a command.
type Counts struct {
	Answered, Unanswered, Lost int
	Cause                      error // of the last request without an answer
}

// Count returns how many requests there were.
func (r *Record) Count() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Counts{Answered: r.total, Unanswered: r.unanswered, Lost: r.lost, Cause: r.cause}
}

// start is when the first answer came, by the API server's clock.
func (r *Record) start() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.began
}

// Requests are the different requests in a settled order, without those that everybody may send.
func (r *Record) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.DeleteFunc(slices.Collect(maps.Keys(r.seen)), Request.everybodys)
	slices.SortFunc(all, func(a, b Request) int {
		return cmp.Or(
			strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Group, b.Group),
			strings.Compare(a.resource(), b.resource()), strings.Compare(a.URL, b.URL),
			strings.Compare(a.Verb, b.Verb), strings.Compare(a.Name, b.Name), cmp.Compare(a.Status, b.Status),
		)
	})
	return all
}
