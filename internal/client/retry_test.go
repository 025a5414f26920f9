package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/kubemint/kubemint/internal/client/answer"
	"github.com/kubemint/kubemint/internal/parallel"
	"github.com/kubemint/kubemint/internal/problem"
)

// plain is an error that the API server's filters write before there is a Status.
func plain(code int, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		http.Error(w, http.StatusText(code), code)
	}
}

func status(code int32, reason metav1.StatusReason) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		refuse(w, metav1.Status{Code: code, Reason: reason, Message: "try later"})
	}
}

func TestRetry_TransientFaults(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault func(http.ResponseWriter)
		times int
		least time.Duration
	}{
		"429 that names its delay": {plain(429, "Retry-After", "1"), 1, time.Second},
		"429 with a Status that does": {func(w http.ResponseWriter) {
			refuse(w, metav1.Status{Code: 429, Reason: "TooManyRequests", Details: &metav1.StatusDetails{RetryAfterSeconds: 1}})
		}, 1, time.Second},
		"429":                    {status(429, "TooManyRequests"), 3, 0},
		"500":                    {status(500, "InternalError"), 3, 0},
		"500 ServerTimeout":      {status(500, "ServerTimeout"), 3, 0},
		"502 of a load balancer": {plain(502), 3, 0},
		"503":                    {status(503, "ServiceUnavailable"), 3, 0},
		"504":                    {status(504, "Timeout"), 3, 0},
		"a request that is cut":  {cut, 3, 0},
		"an answer that is cut": {func(w http.ResponseWriter) {
			_, _ = w.Write([]byte("{"))
			_ = http.NewResponseController(w).Flush()
			cut(w)
		}, 3, 0},
	} {
		for _, http2 := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/http2=%t", name, http2), func(t *testing.T) {
				t.Parallel()
				s := serveOver(t, http2, func(w http.ResponseWriter, _ *http.Request, n int) {
					if n <= tt.times {
						tt.fault(w)
						return
					}
					give(w, http.StatusOK, object("ServiceAccount", "bots", "ci"))
				})
				start := time.Now()
				// A POST, since net/http itself repeats what is safe to repeat.
				if err := connect(t, s.config()).Create(t.Context(), object("ServiceAccount", "bots", "ci")); err != nil {
					t.Fatal(err)
				}
				if n := len(s.asked()); n != tt.times+1 {
					t.Errorf("asked %d times, want %d", n, tt.times+1)
				}
				if took := time.Since(start); took < tt.least || took > 10*time.Second {
					t.Errorf("took %s", took)
				}
			})
		}
	}
}

// What depends on nothing is sent once: the fault, over which another request would be sent again, is its answer.
func TestOnce_SendsNothingAgain(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(http.ResponseWriter){
		"503": status(503, "ServiceUnavailable"), "429 that names its delay": plain(429, "Retry-After", "0"), "a request that is cut": cut,
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { fault(w) })
		api := connect(t, s.config())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := api.Once().Create(ctx, object("ServiceAccount", "bots", "ci"))
		if n := len(s.asked()); err == nil || n != 1 {
			t.Errorf("%s: asked %d times: %v", name, n, err)
		}
		if err := api.Create(ctx, object("ServiceAccount", "bots", "ci")); err == nil || len(s.asked()) < 3 {
			t.Errorf("%s: the client that it was made of asked %d times: %v", name, len(s.asked())-1, err)
		}
	}
}

func TestRetry_AnswerIsFinal(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		code   int32
		reason metav1.StatusReason
	}{
		"bad request": {400, metav1.StatusReasonBadRequest}, "unauthorized": {401, metav1.StatusReasonUnauthorized},
		"forbidden": {403, metav1.StatusReasonForbidden}, "not found": {404, metav1.StatusReasonNotFound},
		"conflict": {409, metav1.StatusReasonConflict}, "already exists": {409, metav1.StatusReasonAlreadyExists},
		"gone": {410, metav1.StatusReasonGone}, "invalid": {422, metav1.StatusReasonInvalid},
		"not implemented": {501, metav1.StatusReasonUnknown}, "HTTP version": {505, metav1.StatusReasonUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { status(tt.code, tt.reason)(w) })
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := connect(t, s.config()).ApplyObject(ctx, object("Role", "shop", "x"), false)
			var got apierrors.APIStatus
			if !errors.As(err, &got) || got.Status().Code != tt.code || got.Status().Reason != tt.reason {
				t.Errorf("got %v", err)
			}
			if n := len(s.asked()); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// nowhere is a server that cannot be reached, for reason err; calls counts the tries.
func nowhere(err error, calls *atomic.Int32) *rest.Config {
	return &rest.Config{Host: "https://10.0.0.1:6443", Dial: func(context.Context, string, string) (net.Conn, error) {
		calls.Add(1)
		return nil, err
	}}
}

// A restarting API server is back within a few seconds; a mistyped address is not worth the user's minutes.
func TestRetry_RefusedConnection(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{
		"refused":    &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)},
		"no address": &net.DNSError{Err: "no such host", Name: "prod.example", IsNotFound: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				var calls atomic.Int32
				start := time.Now()
				err := connect(t, nowhere(fault, &calls)).Get(ctx, object("Namespace", "", "shop"))
				if !errors.Is(err, fault) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(start); calls.Load() != 6 || took < 500*time.Millisecond || took > 5*time.Second {
					t.Errorf("%d tries in %s", calls.Load(), took)
				}
			})
		})
	}
}

// A stalled connection is given up after 40 s and tried again.
func TestAStalledAnswerIsAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		config := &rest.Config{Host: "http://10.0.0.1", Dial: func(context.Context, string, string) (net.Conn, error) {
			calls.Add(1)
			ours, theirs := net.Pipe()
			go func() { // reads and never answers
				buffer := make([]byte, 1024)
				for {
					if _, err := theirs.Read(buffer); err != nil {
						return
					}
				}
			}()
			return ours, nil
		}}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		start := time.Now()
		err := connect(t, config).Get(ctx, object("Namespace", "", "shop"))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 2*time.Minute || calls.Load() != 3 {
			t.Errorf("%d tries in %s", calls.Load(), took)
		}
	})
}

// A request that was refused its connection has changed nothing, if it was broken off while it asked for another one. Where
// the first connection did not come about in time, nobody knows for sure.
func TestIsUntouched_BrokenOff(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	away := func(context.Context, int, *server) (net.Conn, error) { return nil, refused }
	never := func(ctx context.Context, _ int, _ *server) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	there := func(ctx context.Context, _ int, s *server) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", s.Listener.Addr().String())
	}
	then := func(first, next func(context.Context, int, *server) (net.Conn, error)) func(context.Context, int, *server) (net.Conn, error) {
		return func(ctx context.Context, n int, s *server) (net.Conn, error) {
			if n == 1 {
				return first(ctx, n, s)
			}
			return next(ctx, n, s)
		}
	}
	hold := func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() }
	reset := func(w http.ResponseWriter, _ *http.Request, _ int) { // the whole connection, so that the next request dials
		w.Header().Set("Connection", "close")
		cut(w)
	}
	for name, tt := range map[string]struct {
		dial   func(ctx context.Context, n int, s *server) (net.Conn, error)
		answer func(w http.ResponseWriter, r *http.Request, n int)
		want   bool
	}{
		"refused":                        {away, nil, true},
		"no answer to the dial":          {never, nil, false},
		"refused, and then no answer":    {then(away, never), nil, true},
		"sent, and not answered":         {there, hold, false},
		"refused, and then not answered": {then(away, there), hold, false},
		"cut, and then refused":          {then(there, away), reset, false},
		"cut, and then no answer":        {then(there, never), reset, false},
	} {
		for _, http2 := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/http2=%t", name, http2), func(t *testing.T) {
				t.Parallel()
				s := serveOver(t, http2, tt.answer)
				config := s.config()
				var dialled atomic.Int32
				config.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return tt.dial(ctx, int(dialled.Add(1)), s) }
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				err := connect(t, config).Create(ctx, object("Lease", "shop", "x"))
				if err == nil || answer.IsUntouched(err) != tt.want {
					t.Errorf("untouched: %t, after %d dials and the requests %q: %v", answer.IsUntouched(err), dialled.Load(), s.asked(), err)
				}
				if sent := len(s.asked()) > 0; sent == (tt.answer == nil) {
					t.Errorf("the case is another one: it was asked %q", s.asked())
				}
			})
		}
	}
}

// roundTripper is a server without a network, so that the clock of a test's bubble can run ahead.
type roundTripper func(w http.ResponseWriter)

func (answer roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	answer(recorder)
	response := recorder.Result()
	response.Request = r
	return response, nil
}

func TestRetry_ContextEndKeepsBothCauses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(context.Context) (context.Context, context.CancelFunc)
		code int
		want string
	}{
		"timeout": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, time.Minute)
			},
			int(problem.Mint), "apply Role shop/x: not carried out in time: context deadline exceeded; the last answer was: try later",
		},
		"signal": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(ctx)
				time.AfterFunc(time.Minute, func() { cancel(problem.Interrupted{Signal: syscall.SIGINT, Number: 2}) })
				return ctx, func() { cancel(nil) }
			}, 130, "apply Role shop/x: interrupted by interrupt; the last answer was: try later",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				client := connect(t, &rest.Config{Host: "https://10.0.0.1", Transport: roundTripper(func(w http.ResponseWriter) {
					tries++
					status(503, "ServiceUnavailable")(w)
				})})
				ctx, cancel := tt.end(t.Context())
				defer cancel()
				start := time.Now()
				_, err := client.ApplyObject(ctx, object("Role", "shop", "x"), false)
				if !errors.Is(err, context.Cause(ctx)) || !apierrors.IsServiceUnavailable(err) {
					t.Errorf("one of two causes is lost: %v", err)
				}
				err = client.Explain(problem.Mint, "apply Role shop/x", err)
				if got := problem.ExitCode(err); got != tt.code || err.Error() != tt.want {
					t.Errorf("exit code %d, want %d\n%q, want\n%q", got, tt.code, err, tt.want)
				}
				// Every 5 s or so, once the first few are over.
				if took := time.Since(start); took != time.Minute || tries < 12 || tries > 30 {
					t.Errorf("%d tries in %s", tries, took)
				}
			})
		})
	}
}

func TestRetry_ServersDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		client := connect(t, &rest.Config{Host: "https://10.0.0.1", Transport: roundTripper(func(w http.ResponseWriter) {
			tries++
			plain(429, "Retry-After", "100")(w)
		})})
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Second)
		defer cancel()
		start := time.Now()
		err := client.Get(ctx, object("Namespace", "", "shop"))
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 250*time.Second || tries != 3 {
			t.Errorf("%d tries in %s: %v", tries, took, err)
		}
	})
}

func TestRetry_TimeoutWithoutAnswer(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	s := serve(t, func(http.ResponseWriter, *http.Request, int) { <-released })
	t.Cleanup(func() { close(released) })
	client := connect(t, s.config())
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := client.Explain(problem.Mint, "read Namespace shop", client.Get(ctx, object("Namespace", "", "shop")))
	// What never answers is out of reach; a timeout of what has answered before has the code of its phase.
	if got := problem.ExitCode(err); got != int(problem.Source) || !strings.Contains(fmt.Sprint(err), "no answer in time") {
		t.Errorf("exit code %d: %v", got, err)
	}
}

// Requests that start at once share one connection: each would dial its own before HTTP/2 is up. Who was first may have failed, or
// have been given up: the others go on.
func TestRequests_OneConnection(t *testing.T) {
	t.Parallel()
	var dialled atomic.Int32
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		give(w, http.StatusOK, object("Role", "shop", "a"))
	})
	config := s.config()
	dial := config.Dial
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled.Add(1)
		time.Sleep(20 * time.Millisecond) // all of them have started
		return dial(ctx, network, address)
	}
	client := connect(t, config)
	if err := parallel.Each(20, func(int) error { return client.Get(t.Context(), object("Role", "shop", "a")) }); err != nil {
		t.Error(err)
	}
	// The first one's connection is announced a moment before it is there for all: one or two more may be dialled then.
	if n := dialled.Load(); n > 5 {
		t.Errorf("%d connections for 20 requests", n)
	}

	refused := errors.New("refused for a test")
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if dialled.Add(1) == 1 {
			return nil, refused
		}
		return dial(ctx, network, address)
	}
	dialled.Store(0)
	client = connect(t, config)
	if err := client.Get(t.Context(), object("Role", "shop", "a")); !errors.Is(err, refused) {
		t.Errorf("the first: %v", err)
	}
	if err := client.Get(t.Context(), object("Role", "shop", "a")); err != nil {
		t.Errorf("the second: %v", err)
	}
}

// What answers in the API server's place must not pass for it: neither its 200 for a deletion nor its 404.
func TestAPageIsNoAnswer(t *testing.T) {
	t.Parallel()
	page := func(code int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, "<html>sign in</html>")
		}
	}
	for name, respond := range map[string]func(http.ResponseWriter){
		"200": page(200), "202": page(202), "403": page(403), "404": page(404), "409": page(409),
		"empty":        func(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/json") },
		"another JSON": func(w http.ResponseWriter) { give(w, 200, map[string]any{"login": "please"}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := connect(t, &rest.Config{Host: "https://10.0.0.1", Transport: roundTripper(respond)})
			for op, err := range map[string]error{
				"delete Role shop/x": api.Delete(t.Context(), object("Role", "shop", "x")),
				"read Role shop/x":   api.Get(t.Context(), object("Role", "shop", "x")),
			} {
				if op == "read Role shop/x" && name == "another JSON" {
					continue // api-go takes it for an empty Role, which the object's UID shows
				}
				if !answer.IsForeign(err) || answer.IsMissing(err) || answer.IsForbidden(err) || answer.IsConflict(err) || answer.IsUntouched(err) {
					t.Errorf("%s: %v", op, err)
				}
				err = api.Explain(problem.Mint, op, err)
				if problem.ExitCode(err) != int(problem.Source) || !strings.Contains(err.Error(), op+": the answer is not one of the Kubernetes API (") {
					t.Errorf("exit code %d: %v", problem.ExitCode(err), err)
				}
			}
		})
	}
}
