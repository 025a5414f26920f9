package app

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/kubemint/kubemint/internal/problem"
)

// log writes lines for people to stderr: stdout belongs to the platform's commands.
type log struct {
	mu    sync.Mutex
	w     io.Writer
	debug bool
}

func (l *log) printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.w, format+"\n", args...) //nolint:errcheck // there is no other place to say it
}

func (l *log) warnf(format string, args ...any) { l.printf("warning: "+format, args...) }

func (l *log) debugf(format string, args ...any) {
	if l.debug {
		l.printf("debug: "+format, args...)
	}
}

// once leaves out what every request in flight met alike, all but the first: that the API server is out of reach, that
// a login is refused, that the run was interrupted.
func once(failures []error) []error {
	var kept []error
	seen := map[any]bool{}
	for _, failure := range failures {
		var key any = failure.Error()
		if code := problem.ExitCode(failure); code == int(problem.Source) || code > 128 {
			key = code
		}
		if !seen[key] {
			kept = append(kept, failure)
		}
		seen[key] = true
	}
	return kept
}

// reportedAtMost keeps the log readable where the same thing failed in a thousand namespaces.
const reportedAtMost = 20

// report shows every failure once: one sentence, then what to do.
func (r *run) report(err error) {
	failures := once(problem.All(err))
	for i, failure := range failures {
		if i == reportedAtMost {
			r.log.printf("error: and %d more like these", len(failures)-i)
			break
		}
		r.log.printf("error: %s", failure)
		annotation := failure.Error()
		if p, ok := errors.AsType[*problem.Error](failure); ok {
			for _, hint := range p.Hints {
				r.log.printf("hint: %s", hint)
			}
			annotation = strings.Join(append([]string{annotation}, p.Hints...), "\n")
		}
		r.platform.Annotate(annotation)
	}
}
