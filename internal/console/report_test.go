package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/problem"
)

// reported returns what the log says of a failure, and its annotations.
func reported(err error) (lines string, beside []string) {
	var written bytes.Buffer
	New(&written).ReportError(err, func(message string) { beside = append(beside, message) })
	return written.String(), beside
}

// denied is a failure in a namespace, as the API server's refusal becomes one.
func denied(namespace, verb string, hints ...string) error {
	return problem.New(problem.Rights, "read Role "+namespace+"/kubemint:bots:ci",
		fmt.Errorf("user %q may not %s roles.rbac.authorization.k8s.io in namespace %s", "runner", verb, namespace), hints...)
}

// shared is a failure whose cause every request meets.
func shared(op, cause, hint string) error {
	p := problem.New(problem.Revoke, op, errors.New(cause), hint)
	p.Shared = true
	return p
}

func TestReport(t *testing.T) {
	t.Parallel()
	of := func(n int, f func(i int) error) error {
		var errs []error
		for i := range n {
			errs = append(errs, f(i))
		}
		return errors.Join(errs...)
	}
	source := func(i int) error {
		return problem.Newf(problem.Source, fmt.Sprintf("read Role n%d/x", i), "no answer").Hint("see whether it is reachable")
	}
	interrupted := problem.Interrupted{Signal: syscall.SIGTERM, Number: 15}
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"one, with its hints": {problem.New(problem.Mint, "a", errors.New("b"), "c", "d"), "error: a: b\nhint: c\nhint: d\n"},
		"of no room":          {errors.New("b"), "error: b\n"},
		"the same in other namespaces": {
			errors.Join(denied("shop", "get", "give it"), denied("web", "get", "give it"), denied("api", "get", "give it")),
			"error: read Role shop/kubemint:bots:ci: user \"runner\" may not get roles.rbac.authorization.k8s.io in namespace shop\n" +
				"    and the same in 2 more namespaces: web, api\nhint: give it\n",
		},
		"a cause that many requests met": {
			errors.Join(
				shared("list Leases", "401", "log in"), shared("list Roles", "401", "log in"),
				shared("list Secrets", "503", "log in"), shared("list Pods", "401", "log in"),
			),
			"error: list Leases: 401\n    and for the same cause: list Roles, list Pods\nerror: list Secrets: 503\nhint: log in\n",
		},
		"the same cause with another remedy": {
			errors.Join(shared("a", "x", "one"), shared("b", "x", "two")), "error: a: x\nhint: one\nerror: b: x\nhint: two\n",
		},
		"the same words about two objects": {
			errors.Join(problem.Newf(problem.Revoke, "delete a", "x"), problem.Newf(problem.Revoke, "delete b", "x")),
			"error: delete a: x\nerror: delete b: x\n",
		},
		"the same in one other": {
			errors.Join(denied("shop", "get"), denied("web", "get")),
			"error: read Role shop/kubemint:bots:ci: user \"runner\" may not get roles.rbac.authorization.k8s.io in namespace shop\n" +
				"    and the same in 1 more namespace: web\n",
		},
		"something else in another": {
			errors.Join(denied("shop", "get", "give it"), denied("web", "patch", "give it")),
			"error: read Role shop/kubemint:bots:ci: user \"runner\" may not get roles.rbac.authorization.k8s.io in namespace shop\n" +
				"error: read Role web/kubemint:bots:ci: user \"runner\" may not patch roles.rbac.authorization.k8s.io in namespace web\nhint: give it\n",
		},
		"the namespace in the text alone": {
			errors.Join(problem.Newf(problem.Mint, "prove must_not", "in namespace shop it may"), problem.Newf(problem.Mint, "prove must_not", "in namespace web it may")),
			"error: prove must_not: in namespace shop it may\n    and the same in 1 more namespace: web\n",
		},
		"the very same": {
			errors.Join(denied("shop", "get"), denied("shop", "get")),
			"error: read Role shop/kubemint:bots:ci: user \"runner\" may not get roles.rbac.authorization.k8s.io in namespace shop\n",
		},
		"a namespace named within a word": {
			errors.Join(problem.Newf(problem.Mint, "apply Role v1/x", "no v1beta"), problem.Newf(problem.Mint, "apply Role v2/x", "no v2beta")),
			"error: apply Role v1/x: no v1beta\nerror: apply Role v2/x: no v2beta\n",
		},
		"many namespaces": {
			of(13, func(i int) error { return problem.Newf(problem.Mint, fmt.Sprintf("apply Role n%02d/x", i), "refused") }),
			"error: apply Role n00/x: refused\n    and the same in 12 more namespaces: n01, n02, n03, n04, n05, n06, n07, n08, n09, n10, …\n",
		},
		"out of reach, for every request": {of(3, source), "error: read Role n0/x: no answer\nhint: see whether it is reachable\n"},
		"interrupted, for every request": {
			of(3, func(i int) error { return problem.New(problem.Mint, fmt.Sprintf("apply Role n%d/x", i), interrupted) }),
			"error: apply Role n0/x: interrupted by terminated\n",
		},
		"out of reach, interrupted, and a refusal": {
			errors.Join(source(1), problem.New(problem.Mint, "x", interrupted), denied("shop", "get"), problem.New(problem.Publish, "y", interrupted), source(2)),
			"error: read Role n1/x: no answer\nhint: see whether it is reachable\nerror: x: interrupted by terminated\n" +
				"error: read Role shop/kubemint:bots:ci: user \"runner\" may not get roles.rbac.authorization.k8s.io in namespace shop\n",
		},
		"a hint below the last that has it": {
			errors.Join(
				problem.New(problem.Rights, "a", errors.New("x"), "of a", "of all", "of a and b"),
				problem.New(problem.Rights, "b", errors.New("x"), "of a and b", "of all"),
				problem.New(problem.Rights, "c", errors.New("x"), "of all"),
			),
			"error: a: x\nhint: of a\nerror: b: x\nhint: of a and b\nerror: c: x\nhint: of all\n",
		},
		"20": {of(20, func(i int) error { return problem.Newf(problem.Config, fmt.Sprint("input ", i), "x") }), listed(20, "")},
		"more than anybody reads": {
			of(25, func(i int) error { return problem.Newf(problem.Config, fmt.Sprint("input ", i), "x").Hint("write it") }),
			listed(20, "hint: write it\nerror: and 5 more like these\n"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, _ := reported(tt.err)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func listed(n int, rest string) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "error: input %d: x\n", i)
	}
	return text.String() + rest
}

// Each failure has an annotation of its own, together with its hints.
func TestReport_Annotations(t *testing.T) {
	t.Parallel()
	_, got := reported(errors.Join(denied("shop", "get", "give it"), denied("web", "get", "give it"), problem.New(problem.Rights, "b", errors.New("x"), "give it")))
	want := []string{
		"read Role shop/kubemint:bots:ci: user \"runner\" may not get roles.rbac.authorization.k8s.io in namespace shop\n" +
			"    and the same in 1 more namespace: web\ngive it",
		"b: x\ngive it",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestProgressLines(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		n    int
		each time.Duration
		want string
	}{
		"after 3 s of silence": {100, 4 * time.Second, "namespaces proved: 0 of 100\nnamespaces proved: 64 of 100\n"},
		"nothing of a moment":  {1000, 100 * time.Millisecond, ""},
		"nothing of a few":     {99, time.Minute, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var written bytes.Buffer
				l := New(&written)
				err := l.EachWithProgress("namespaces proved", tt.n, func(i int) error {
					time.Sleep(tt.each)
					if i%50 == 7 {
						return fmt.Errorf("error %d", i)
					}
					return nil
				})
				if diff := cmp.Diff(tt.want, written.String()); diff != "" {
					t.Error(diff)
				}
				if parts := problem.ListErrors(err); len(parts) == 0 || parts[0].Error() != "error 7" || len(parts) != (tt.n+42)/50 {
					t.Errorf("the errors are %v", parts)
				}
				l.Printf("next")
				time.Sleep(time.Minute)
				if got, want := written.String(), tt.want+"next\n"; got != want {
					t.Errorf("after the end: %q", got)
				}
			})
		})
	}
}

// As long as something else is said now and then, nobody takes the run for stuck.
func TestNoProgressLineWhileTheLogSpeaks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var written bytes.Buffer
		l := New(&written)
		_ = l.EachWithProgress("x", 100, func(i int) error {
			if i == 0 {
				time.Sleep(2 * time.Second)
				l.Warnf("after 2 s")
				time.Sleep(2 * time.Second)
				l.Warnf("after 4 s")
				l.Debugf("silent")
				time.Sleep(4 * time.Second)
			}
			return nil
		})
		if got, want := written.String(), "warning: after 2 s\nwarning: after 4 s\nx: 99 of 100\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A bar is written over, and a line of the log takes its place: the two never share a line.
func TestProgress_BarAndLog(t *testing.T) {
	t.Parallel()
	const erase = "\r\x1b[K"
	var written bytes.Buffer
	l := &Log{w: &written, debug: true}
	says := func(want string) {
		t.Helper()
		if got := written.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		written.Reset()
	}
	l.Printf("before")
	says("before\n")
	l.overwriteLine("[#.]")
	says("[#.]")
	l.overwriteLine("[##]")
	says(erase + "[##]")
	l.Warnf("it is %d", 7)
	says(erase + "warning: it is 7\n")
	l.Debugf("x")
	says("debug: x\n")
	l.overwriteLine("[##]")
	says("[##]")
	l.overwriteLine("")
	says(erase)
	l.overwriteLine("")
	l.Printf("after")
	says("after\n")
}

func TestProgress_OnlyOnATerminal(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	reader, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.Writer{&bytes.Buffer{}, file, pipe} {
		if IsTerminal(w) {
			t.Errorf("%T is taken for a terminal", w)
		}
	}
	_ = errors.Join(file.Close(), pipe.Close(), reader.Close())
	if IsTerminal(file) {
		t.Error("a closed file is taken for a terminal")
	}
}

// A server that repeats what it was sent, or what it was to hand out, has it in the log no more than we have.
func TestWhatAnAnswerRepeatsIsNotSaid(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl-_"
	var written bytes.Buffer
	var said []string
	l := New(&written)
	for _, header := range []string{"", "Bearer", "Bearer kubeconfig-u-1:canary", "Basic dXNlcjpjYW5hcnk=", "Bearer " + jwt} {
		l.HideSent(header)
	}
	for text, want := range map[string]string{
		"no such token: kubeconfig-u-1:canary":               "no such token: [token]",
		`Authorization: ["Basic dXNlcjpjYW5hcnk="]`:          `Authorization: ["Basic [token]"]`,
		`cannot read {"token":"` + jwt + `"}, Bearer is bad`: `cannot read {"token":"[token]"}, Bearer is bad`,
		"cut: " + jwt[:40]:                                   "cut: [token]",
		"Bearer tokens of the keys eyJ and a.b.c are fine":   "Bearer tokens of the keys eyJ and a.b.c are fine",
	} {
		written.Reset()
		said = nil
		l.Warnf("%s", text)
		l.ReportError(problem.New(problem.Mint, "a", errors.New(text), text), func(message string) { said = append(said, message) })
		if diff := cmp.Diff("warning: "+want+"\nerror: a: "+want+"\nhint: "+want+"\n", written.String()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"a: " + want + "\n" + want}, said); diff != "" {
			t.Error(diff)
		}
	}
}
