package kubetest

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Fault is one way in which an API server, or a proxy in front of it, fails a request.
type Fault struct {
	Name string
	// Refusal says that no later try of the same request can be expected to succeed. The others may pass.
	Refusal bool
	// Stays says that the API server stays away after it, whichever request met it.
	Stays bool
	do    func(x exchange)
}

// exchange is a request that a fault has met. What a fault has carried out, it has carried out whole, whether the client
// waits for it or not.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	next http.Handler
	line line
}

// line is the connection that a request came by.
type line struct {
	proxy *Proxy
	conn  *tls.Conn
}

type lineKey struct{}

// Faults returns all faults that this proxy knows. The answers are those of k8s.io/apimachinery/pkg/api/errors, as a real
// API server writes them. 502 and the pages are the answers of a load balancer, a login or a captive portal in its place.
func Faults() []Fault {
	all := []Fault{
		{Name: "401", Refusal: true, do: status(func(asked) *apierrors.StatusError { return apierrors.NewUnauthorized("Unauthorized") })},
		{Name: "403 by RBAC", Refusal: true, do: status(func(a asked) *apierrors.StatusError {
			return apierrors.NewForbidden(a.GroupResource, a.name, denial(
				fmt.Sprintf("User %q cannot %s resource %q in API group %q in the namespace %q", "test", a.verb, a.full, a.Group, a.namespace)))
		})},
		{Name: "403 by admission", Refusal: true, do: status(func(a asked) *apierrors.StatusError {
			return apierrors.NewForbidden(a.GroupResource, a.name, fmt.Errorf("admission webhook \"policy.test\" denied the request"))
		})},
		{Name: "409", Refusal: true, do: status(func(a asked) *apierrors.StatusError {
			if a.verb == "create" {
				return apierrors.NewAlreadyExists(a.GroupResource, a.name)
			}
			return apierrors.NewConflict(a.GroupResource, a.name, fmt.Errorf("the object has been modified"))
		})},
		{Name: "410", Refusal: true, do: status(func(asked) *apierrors.StatusError {
			return apierrors.NewResourceExpired("The provided continue parameter is too old")
		})},
		{Name: "422", Refusal: true, do: status(func(a asked) *apierrors.StatusError {
			return apierrors.NewInvalid(schema.GroupKind{Group: a.Group, Kind: a.Resource}, a.name,
				field.ErrorList{field.Invalid(field.NewPath("metadata", "labels"), "x", "no such label is allowed here")})
		})},
		{Name: "429", do: status(func(asked) *apierrors.StatusError { return apierrors.NewTooManyRequests("too many requests", 0) })},
		{Name: "429, Retry-After", do: status(func(asked) *apierrors.StatusError {
			return apierrors.NewTooManyRequests("too many requests", 1)
		})},
		{Name: "500", do: status(func(asked) *apierrors.StatusError { return apierrors.NewInternalError(io.ErrShortWrite) })},
		{Name: "502", do: func(x exchange) { http.Error(x.w, "Bad Gateway", http.StatusBadGateway) }},
		{Name: "503", do: status(func(asked) *apierrors.StatusError { return apierrors.NewServiceUnavailable("etcd has no leader") })},
		{Name: "504", do: status(func(asked) *apierrors.StatusError { return apierrors.NewTimeoutError("request did not complete", 0) })},
		{Name: "page instead of an answer", Refusal: true, do: page(http.StatusOK)},
		{Name: "page of a server that is away", do: page(http.StatusServiceUnavailable)},
		{Name: "page of a login", Refusal: true, do: page(http.StatusForbidden)},
		{Name: "redirect", Refusal: true, do: func(x exchange) {
			http.Redirect(x.w, x.r, "https://login.test/path?from=here", http.StatusTemporaryRedirect)
		}},
		{Name: "stream reset", do: func(exchange) { panic(http.ErrAbortHandler) }},
		{Name: "cut before it is carried out", do: func(x exchange) { x.cut(false) }},
		{Name: "cut before the answer", do: func(x exchange) { x.carryOut(); x.cut(true) }},
		{Name: "cut in the middle of the answer", do: func(x exchange) {
			answer := x.carryOut()
			x.w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
			deliver(x.w, answer, answer.Body.Bytes()[:answer.Body.Len()/2])
			time.Sleep(wired)
			x.cut(true)
		}},
		{Name: "cut after the answer", do: func(x exchange) {
			answer := x.carryOut()
			deliver(x.w, answer, answer.Body.Bytes())
			time.AfterFunc(wired, x.finish)
		}},
		{Name: "stalled before it is carried out", do: exchange.stall},
		{Name: "stalled after", do: func(x exchange) { x.carryOut(); x.stall() }},
		{Name: "slow", do: func(x exchange) {
			answer := x.carryOut()
			deliver(x.w, answer, nil)
			body := answer.Body.Bytes()
			for piece := range slices.Chunk(body, len(body)/8+1) {
				time.Sleep(30 * time.Millisecond)
				_, _ = x.w.Write(piece)
				flush(x.w)
			}
		}},
		// As kube-apiserver's --goaway-chance does it: this is answered, and what follows needs another connection.
		{Name: "GOAWAY", do: func(x exchange) {
			answer := x.carryOut()
			answer.Header().Set("Connection", "close")
			deliver(x.w, answer, answer.Body.Bytes())
		}},
		{Name: "GOAWAY and cut", do: func(x exchange) {
			x.carryOut()
			time.Sleep(wired) // the server's SETTINGS come first, and its own goroutine writes them
			_, _ = x.line.conn.Write(goAway)
			x.cut(false)
		}},
		{Name: "TLS broken", do: func(x exchange) {
			_, _ = x.line.conn.NetConn().Write([]byte("\x17\x03\x03\x00\x20 this was never encrypted at all."))
			time.Sleep(wired)
			x.cut(false)
		}},
		// From here on somebody else answers at this address.
		{Name: "TLS with another's certificate", Refusal: true, Stays: true, do: func(x exchange) {
			x.line.proxy.stranger.Store(stranger())
			x.cut(false)
		}},
	}
	return all
}

// wired is a moment in which what was written is on its way.
const wired = 50 * time.Millisecond

// goAway is an HTTP/2 GOAWAY frame (RFC 9113, 6.8): no stream was left out, ENHANCE_YOUR_CALM.
var goAway = []byte{0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0x0b}

// When says which requests a fault meets. It is asked once for each, in the order of their arrival.
type When func(r *http.Request) bool

// Nth is the n-th request that arrives.
func Nth(n int) When {
	seen := 0
	return func(*http.Request) bool {
		seen++
		return seen == n
	}
}

// Between has the fault meet those requests, and hands on the others.
func (f Fault) Between(when When) Between {
	return between(func(r *http.Request) (Fault, bool) { return f, when(r) })
}

// Storm has each request meet a fault with this probability: which ones, the seed decides.
func Storm(seed uint64, probability float64, faults []Fault) Between {
	random := rand.New(rand.NewPCG(seed, seed))
	return between(func(*http.Request) (Fault, bool) {
		hit, which := random.Float64() < probability, random.IntN(len(faults))
		return faults[which], hit
	})
}

func between(choose func(r *http.Request) (Fault, bool)) Between {
	var mu sync.Mutex
	return func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		fault, hit := choose(r)
		mu.Unlock()
		l, _ := r.Context().Value(lineKey{}).(line)
		x := exchange{w: w, r: r, next: next, line: l}
		if hit {
			fault.do(x)
			return
		}
		answer := x.carryOut() //nolint:contextcheck // it is of the request
		deliver(w, answer, answer.Body.Bytes())
	}
}

func (x exchange) carryOut() *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	x.next.ServeHTTP(answer, x.r.WithContext(context.WithoutCancel(x.r.Context())))
	return answer
}

// cut ends the connection, with all that is under way on it: by a FIN, or by a reset. It takes in the request's body first: a client
// that is still writing it would see its own write fail, and not what the server did.
func (x exchange) cut(reset bool) {
	_, _ = io.Copy(io.Discard, x.r.Body)
	if tcp, ok := x.line.conn.NetConn().(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = x.line.conn.NetConn().Close()
}

// finish ends the connection by a FIN alone: what was written before is still read, however late. Closed, a connection with
// something unread would be reset.
func (x exchange) finish() {
	if tcp, ok := x.line.conn.NetConn().(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

func (x exchange) stall() {
	<-x.r.Context().Done() // until the client gives up
	panic(http.ErrAbortHandler)
}

func deliver(w http.ResponseWriter, answer *httptest.ResponseRecorder, body []byte) {
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body)
	flush(w)
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
