package console

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

// failure holds what the report prints for one error, or for many alike.
type failure struct {
	text    string
	details []string
	hints   []problem.Paste // usually without lines
	others  []string        // namespaces in which the same happened
	also    []string        // what else failed for the same cause
}

func newFailure(err error) *failure {
	p, ok := errors.AsType[*problem.Error](err)
	if !ok {
		return &failure{text: problem.Sentence(err)}
	}
	f := &failure{text: problem.Sentence(err)}
	if err == error(p) && len(p.Details) > 0 { //nolint:errorlint // a wrapper has them in its text
		f.text = p.Headline() + ":"
		f.details = p.Details
	}
	for _, hint := range p.Hints {
		f.hints = append(f.hints, problem.Paste{Intro: hint})
	}
	if p.Paste != nil {
		f.hints = append(f.hints, *p.Paste)
	}
	return f
}

// formatLines are the failure without its hints.
func (f *failure) formatLines() []string {
	lines := []string{f.text}
	for _, detail := range f.details {
		lines = append(lines, "    "+detail)
	}
	if len(f.others) > 0 {
		more := Plural(len(f.others), "more namespace")
		lines = append(lines, fmt.Sprintf("    and the same in %s: %s", more, ListSome(f.others)))
	}
	if len(f.also) > 0 {
		lines = append(lines, fmt.Sprintf("    and for the same cause: %s", ListSome(f.also)))
	}
	return lines
}

// causeOf returns what the failures of many requests with one cause have in common, or "" if the
// cause is not shared.
func causeOf(err error) (cause, op string) {
	p, ok := err.(*problem.Error) //nolint:errorlint // a wrapper has a text of its own
	if !ok || !p.Shared {
		return "", ""
	}
	return strings.Join(append([]string{problem.Sentence(p.Cause)}, p.Hints...), "\n"), p.Op
}

// placed finds the namespace of a failure: of its object, or where its text says so.
var placed = regexp.MustCompile(`^\w+ [A-Z]\w+ ([a-z0-9-]+)/| in namespace ([a-z0-9-]+)`)

// groupFailures makes one of what every request in flight met alike (that the API server is out of
// reach, a login refused, the run interrupted), and of what differs in the namespace alone.
func groupFailures(err error) []*failure {
	var failures []*failure
	seen := map[string]*failure{}
	byCause := map[string]*failure{}
	for _, each := range problem.ListErrors(err) {
		f := newFailure(each)
		namespace := ""
		all := strings.Join(append([]string{f.text}, f.details...), "\n")
		key := all
		if code := problem.ExitCode(each); code == int(problem.Source) || code > 128 {
			key = strconv.Itoa(code)
		} else if found := placed.FindStringSubmatch(f.text); found != nil {
			namespace = found[1] + found[2]
			key = regexp.MustCompile(`\b`+namespace+`\b`).ReplaceAllLiteralString(all, "*")
		}
		first := seen[key]
		cause, op := causeOf(each)
		alike := byCause[cause]
		switch {
		case first != nil && namespace != "" && f.text != first.text:
			first.others = append(first.others, namespace)
		case first != nil:
		case alike != nil && cause != "":
			alike.also = append(alike.also, op)
			seen[key] = alike
		default:
			seen[key] = f
			byCause[cause] = f
			failures = append(failures, f)
		}
	}
	return failures
}

// ReportError shows every failure once: one sentence, then what to do. A hint that several have
// stands below the last of them.
func (l *Log) ReportError(err error, annotate func(string)) {
	failures := groupFailures(err)
	if more := len(failures) - reportedAtMost; more > 0 {
		failures = append(
			failures[:reportedAtMost], &failure{text: fmt.Sprintf("and %d more like these", more)},
		)
	}
	left := map[string]int{}
	for _, f := range failures {
		for _, hint := range f.hints {
			left[hintKey(hint)]++
		}
	}
	for _, f := range failures {
		lines := f.formatLines()
		beside := slices.Clone(lines)
		lines[0] = "error: " + lines[0]
		for _, hint := range f.hints {
			beside = append(append(beside, hint.Intro), hint.Lines...)
			if left[hintKey(hint)]--; left[hintKey(hint)] == 0 {
				lines = append(append(lines, "hint: "+hint.Intro), hint.Lines...)
			}
		}
		l.writeLines(lines...)
		for i, line := range beside {
			beside[i] = CleanLine(l.Redact(line))
		}
		annotate(strings.Join(beside, "\n"))
	}
}

// hintKey tells hints apart.
func hintKey(hint problem.Paste) string {
	return strings.Join(append([]string{hint.Intro}, hint.Lines...), "\n")
}

// ListSome names at most ten.
func ListSome(names []string) string {
	const most = 10
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// Plural is "1 namespace", "2 namespaces".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
