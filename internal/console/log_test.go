package console

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/problem"
)

// Whatever is said is one line each, and of an error with details so many as it has.
func TestWhatIsSaidHasTheLinesOfTheProgramAlone(t *testing.T) {
	t.Parallel()
	const evil = "z\n::stop-commands::x"
	const shown = `z\n::stop-commands::x`
	plan := access.Plan{Changes: []access.Change{{
		Verb: access.Deleted, Ref: kube.Ref{Kind: "Role", Namespace: "shop", Name: evil}, Remarks: access.Remarks{TakenFrom: []string{evil}, Details: []string{"- subject User " + evil}},
	}}}
	for name, tt := range map[string]struct {
		say  func(l *Log)
		want string
	}{
		"a line":        {func(l *Log) { l.Printf("deleted %s", evil) }, "deleted " + shown + "\n"},
		"data alone":    {func(l *Log) { l.Printf("%s", "::add-mask::x") }, `\x3a:add-mask::x` + "\n"},
		"a warning":     {func(l *Log) { l.Warnf("%s", evil) }, "warning: " + shown + "\n"},
		"a debug line":  {func(l *Log) { l.SetDebug(true); l.Debugf("GET /%s: 200", evil) }, "debug: GET /" + shown + ": 200\n"},
		"a list":        {func(l *Log) { l.PrintList("note: ", []string{evil, evil}) }, "note: " + shown + "\nnote: " + shown + "\n"},
		"joined errors": {func(l *Log) { l.Warnf("left: %s", errors.Join(errors.New(evil), errors.New("b"))) }, "warning: left: " + shown + "; b\n"},
		"errors in errors": {func(l *Log) {
			l.Warnf("%s", problem.New(problem.Mint, "a", errors.Join(errors.New("b"), errors.New("c"))))
		}, "warning: a: b; c\n"},
		"a change set": {
			func(l *Log) { l.ShowChanges(plan) },
			"deleted    Role shop/" + shown + " (taken back from " + shown + ")\n             - subject User " + shown + "\n",
		},
		"an error": {
			func(l *Log) {
				p := problem.Newf(problem.Mint, "delete Role "+evil, "%s", evil).Detail("get  "+evil, "    "+evil).Hint("ask %s", evil)
				p.Paste = &problem.Paste{Intro: "paste " + evil, Lines: []string{"  in " + evil, "    - " + evil}}
				l.ReportError(p, func(string) {})
			},
			"error: delete Role " + shown + ": " + shown + ":\n    get  " + shown + "\n        " + shown + "\nhint: ask " + shown +
				"\nhint: paste " + shown + "\n  in " + shown + "\n    - " + shown + "\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var written bytes.Buffer
			tt.say(New(&written))
			if diff := cmp.Diff(tt.want, written.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// An annotation has the program's own line breaks, which the platform encodes, and no others.
func TestAnnotationsAreMadeHarmlessToo(t *testing.T) {
	t.Parallel()
	err := problem.Newf(problem.Rights, "apply Role x", "it belongs to %s", "a\n::set-output::").Detail("b\rc").Hint("d\u2028e")
	var said []string
	New(&bytes.Buffer{}).ReportError(err, func(message string) { said = append(said, message) })
	if diff := cmp.Diff([]string{`apply Role x: it belongs to a\n::set-output:::` + "\n" + `    b\rc` + "\n" + `d\u2028e`}, said); diff != "" {
		t.Error(diff)
	}
}

func TestReport_PasteOnce(t *testing.T) {
	t.Parallel()
	paste := &problem.Paste{Intro: "all that is missing is", Lines: []string{"  in a:", "    - x", "  in b:", "    - x"}}
	var errs []error
	for _, op := range []string{"a", "b"} {
		p := problem.Newf(problem.Rights, op, "refused")
		p.Paste = paste
		errs = append(errs, p)
	}
	text, beside := reported(errors.Join(errs...))
	want := "error: a: refused\nerror: b: refused\nhint: all that is missing is\n  in a:\n    - x\n  in b:\n    - x\n"
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
	if len(beside) != 2 || !strings.HasSuffix(beside[0], "\n    - x") {
		t.Errorf("%q", beside)
	}
}

// What differs in its details is not the same failure.
func TestDetailsTellFailuresApart(t *testing.T) {
	t.Parallel()
	missing := func(namespace, rule string) error {
		return problem.Newf(problem.Mint, "prove access", "not in effect in namespace %s", namespace).Detail(rule)
	}
	text, _ := reported(errors.Join(missing("shop", "get pods"), missing("web", "get pods"), missing("api", "get secrets")))
	want := "error: prove access: not in effect in namespace shop:\n    get pods\n    and the same in 1 more namespace: web\n" +
		"error: prove access: not in effect in namespace api:\n    get secrets\n"
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
}

// While a token is on its way nothing is said, and nothing is lost: neither what is said twice held, nor what follows an error.
func TestHold(t *testing.T) {
	t.Parallel()
	var written bytes.Buffer
	l := New(&written)
	says := func(want string) {
		t.Helper()
		if got := written.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	l.Printf("a")
	first := l.Hold()
	l.Printf("b")
	second := l.Hold()
	l.Warnf("c")
	says("a\n")
	first()
	l.ReportError(errors.New("d"), func(string) {})
	says("a\n")
	first() // a second time it does nothing
	says("a\n")
	second()
	says("a\nb\nwarning: c\nerror: d\n")
	l.Printf("e")
	says("a\nb\nwarning: c\nerror: d\ne\n")
	l.Hold()()
	says("a\nb\nwarning: c\nerror: d\ne\n")
}
