package trace

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/console"
)

// Trace keeps the time of an API server's clock, which its answers carry.
type Trace struct {
	Log  *console.Log
	off  atomic.Int64 // nanoseconds from this machine's clock to the API server's
	told atomic.Bool  // that the clock is wrong
}

// Follow logs a client's requests, and the API server's warnings.
func (t *Trace) Follow(config *rest.Config) {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return tracer{next, t} })
	config.WarningHandlerWithContext = warnings{t.Log}
}

// Set sets how far this machine's clock is from the API server's, which says so in its next answer.
func (t *Trace) Set(off time.Duration) { t.off.Store(int64(off)) }

// Now is the API server's time as of its last answer; before the first it is this machine's.
func (t *Trace) Now() time.Time { return time.Now().Add(time.Duration(t.off.Load())) }

// ServerTime is the API server's time, and zero where it has not said it yet: a proxy may keep its
// answers' numbers.
func (t *Trace) ServerTime() time.Time {
	if t.off.Load() == 0 {
		return time.Time{}
	}
	return t.Now()
}

// tracer logs each request at debug level: method, path and status, never a header or a body. It
// keeps the time of the answer.
type tracer struct {
	next http.RoundTripper
	*Trace
}

// WrappedRoundTripper leads to the connections, for [client.Client.Close].
func (t tracer) WrappedRoundTripper() http.RoundTripper { return t.next }

func (t tracer) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.next.RoundTrip(request)
	what := request.Method + " " + request.URL.Path
	if request.URL.Query().Has("dryRun") {
		what += " (dry run)"
	}
	if err != nil {
		t.Log.Debugf("%s: no answer", what)
		return response, err
	}
	// not request's: what is beneath has added the credential
	t.Log.HideSent(response.Request.Header.Get("Authorization"))
	t.Log.Debugf("%s: %d", what, response.StatusCode)
	// What expires does so by the API server's clock (Date: RFC 9110, section 6.6.1), which is not
	// that of a page in between: it numbers its answers (k8s.io/apiserver
	// pkg/endpoints/filters/audit_init.go). They take time, and a Date has whole seconds.
	if date, err := http.ParseTime(response.Header.Get("Date")); err == nil &&
		response.Header.Get("Audit-Id") != "" {
		off := time.Until(date)
		if wrong := time.Duration(t.off.Swap(int64(off))) - off; wrong.Abs() > time.Minute &&
			t.told.CompareAndSwap(false, true) {
			t.Log.Warnf(
				"this machine's clock is off by %s from the API server's, which decides when tokens "+
					"expire: set it",
				console.FormatDuration(wrong.Round(time.Minute)),
			)
		}
	}
	return response, nil
}

// warnings logs what the API server says in a Warning header.
type warnings struct{ log *console.Log }

func (w warnings) HandleWarningHeaderWithContext(_ context.Context, code int, _, text string) {
	if code == http.StatusMultipleChoices-1 { // 299, the one that Kubernetes uses
		w.log.Warnf("the API server says: %s", text)
	}
}
