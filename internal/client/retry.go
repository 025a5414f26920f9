package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/client/wire"
)

const (
	firstWait   = 33 * time.Millisecond // up to twice as long with jitter, as every pause
	longestWait = 3300 * time.Millisecond
	// a stalled connection; an API server waits up to 30 s for a webhook.
	longestAnswer = 40 * time.Second
	// for a request under way to be answered, after its context has ended.
	lastMoment = 500 * time.Millisecond
	// mostValues bounds the decoded size of an answer: 64 MiB of "{}," would become objects of
	// gigabytes. The objects of 5,000 namespaces have a third of it.
	mostValues = 1 << 20
	// some 3 s: a restarting API server is back, a mistyped address is not worth the user's minutes.
	fewTries = 6
)

// anyAnswer holds an answer whose kind only the API server knows.
type anyAnswer struct{ runtime.Object }

type sender func(ctx context.Context, into runtime.Object, request *rest.Request) error

// sendWithRetries sends a request until it is answered, or refused permanently, or the context
// ends. It tries again after a transient fault: after the delay that the API server names, if it
// names one, else after pauses that double, with jitter.
func (c *Client) sendWithRetries(
	ctx context.Context, send sender, into runtime.Object, request func() *rest.Request,
) error {
	pauses := wait.Backoff{
		Duration: firstWait, Factor: 2, Jitter: 1, Steps: math.MaxInt32, Cap: longestWait,
	}
	var earlier attempts
	for try := 1; ; try++ {
		traced, passed := c.line.join(ctx)
		err := send(traced, into, request())
		passed()
		err = earlier.add(ctx, err)
		if _, answered := answer.StatusOf(err); answered || err == nil {
			c.heard.Store(true)
		}
		if err == nil || ctx.Err() != nil || c.once || !isTransient(err, try) {
			return c.tellUnserved(ctx, request(), withEnd(ctx, err))
		}
		pause := pauses.Step()
		if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
			pause += time.Duration(seconds) * time.Second
		}
		select {
		case <-ctx.Done():
			return withEnd(ctx, err)
		case <-time.After(pause):
		}
	}
}

// attempts remembers how a request's earlier tries failed.
type attempts struct {
	last   error // the transient fault of the last try
	unsure error // the first one of a try that may have been carried out
}

// add remembers a try's error and returns the request's: an [answer.UnsureError] where an earlier try may
// have been carried out.
func (a *attempts) add(ctx context.Context, err error) error {
	_, unsent := errors.AsType[*unsentError](err)
	switch {
	case err == nil:
		return nil
	case a.last != nil && brokenOff(ctx, err):
		// that the time was over tells less than the fault before
		if unsent {
			return a.last
		}
		err = &answer.UnsureError{Last: a.last, Before: err}
	case a.unsure != nil:
		err = &answer.UnsureError{Last: err, Before: a.unsure}
	}
	if a.unsure == nil && !answer.IsUntouched(err) {
		a.unsure = err
	}
	a.last = err
	return err
}

// brokenOff says whether a request had no answer because its time was over.
func brokenOff(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, context.Cause(ctx)) || errors.Is(err, context.Canceled))
}

// sendToTheEnd is send for a request that makes something: it has a moment more than ctx. What an
// abandoned one has made a moment after somebody looked for it, in order to take it back, would
// stay.
func sendToTheEnd(ctx context.Context, into runtime.Object, request *rest.Request) error {
	if ctx.Err() != nil {
		return &unsentError{context.Cause(ctx)} // nothing is begun that late
	}
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastMoment, cancel) })()
	return sendOnce(longer, into, request)
}

func sendOnce(ctx context.Context, into runtime.Object, request *rest.Request) error {
	// client-go logs cut answers to stderr
	ctx, cancel := context.WithTimeout(klog.NewContext(ctx, logr.Discard()), longestAnswer)
	defer cancel()
	var sent atomic.Bool // at least its connection was there
	result := request.Do(httptrace.WithClientTrace(
		ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }},
	))
	err := result.Error()
	if _, answered := answer.StatusOf(err); err != nil && !answered && !sent.Load() {
		return &unsentError{err}
	}
	if body, _ := result.Raw(); bytes.Count(body, []byte{','}) > mostValues {
		return &wire.TooLargeError{Bound: fmt.Sprintf("%d values", mostValues)}
	}
	if said, ok := into.(*anyAnswer); ok {
		// an answer that is not an object of the API does not count, whatever its status
		said.Object, err = result.Get()
	} else {
		err = result.Into(into)
	}
	return asForeign(result, answer.AsDenial(err))
}

// unsentError is the fault of a try that had no connection yet.
type unsentError struct{ error }

func (e *unsentError) Unwrap() error { return e.error }

// asForeign tells such an answer from the others. An API server itself answers 401, 429 and 5xx as
// plain text, not as an object (k8s.io/apiserver pkg/server/filters), and so does a proxy in front
// of it.
func asForeign(result rest.Result, err error) error {
	var code int // 0 where the answer did not come, or not whole
	result.StatusCode(&code)
	if status, answered := answer.StatusOf(err); answered {
		code = int(status.Code)
		if !apierrors.IsUnexpectedServerError(err) || code == http.StatusUnauthorized ||
			code == http.StatusTooManyRequests ||
			code >= 500 {
			return err
		}
	}
	if err == nil || code == 0 {
		return err
	}
	return &answer.ForeignError{Code: code}
}

// withEnd adds the reason why the context ended to the last fault: a timeout by itself says
// nothing.
func withEnd(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, context.Cause(ctx)) {
		return err
	}
	if errors.Is(err, context.Canceled) { // no fault of its own
		return context.Cause(ctx)
	}
	return &answer.EndedError{Cause: context.Cause(ctx), Last: err}
}

// isTransient says whether the same request may succeed a moment later.
func isTransient(err error, try int) bool {
	status, answered := answer.StatusOf(err)
	var dns *net.DNSError
	switch {
	case wire.Final(err):
		return false
	case answered:
		return status.Code == 429 || (status.Code >= 500 && status.Code != 501 && status.Code != 505)
	case utilnet.IsConnectionRefused(err),
		errors.As(err, &dns),
		strings.Contains(err.Error(), "tls: bad record MAC"):
		return try < fewTries
	}
	return utilnet.IsConnectionReset(err) || utilnet.IsProbableEOF(err) || streamLost(err) ||
		utilnet.IsTimeout(err) ||
		errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, context.DeadlineExceeded)
}

// streamLost says whether HTTP/2 gave up the request. net/http does not export these error types,
// so it compares their text.
func streamLost(err error) bool {
	text := err.Error()
	return strings.Contains(text, "stream error: stream ID ") ||
		strings.Contains(text, "http2: server sent GOAWAY ") ||
		strings.Contains(text, "http2: client conn")
}
