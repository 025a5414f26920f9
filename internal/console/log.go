package console

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/secret"
)

// Log writes lines for people to stderr, since stdout belongs to the platform's commands. Every
// line goes through [CleanLine].
type Log struct {
	mu    sync.Mutex
	w     io.Writer
	debug bool

	unfinished bool // the last line is a bar without an end
	said       time.Time
	sent       sync.Map // Authorization headers
	holds      int
	held       []string
}

// jsonWebToken is one, or what was cut off one.
var jsonWebToken = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+(\.[\w-]*)?`)

// New returns a log that writes to w and says nothing at debug level.
func New(w io.Writer) *Log { return &Log{w: w, said: time.Now()} }

// SetDebug says whether [Log.Debugf] writes.
func (l *Log) SetDebug(on bool) { l.debug = on }

// HideSent notes an Authorization header, so that no line repeats what is in it.
func (l *Log) HideSent(header string) { l.sent.Store(header, nil) }

// Redact removes the credentials that were sent, and every JSON Web Token: an answer may repeat the
// former, and hold a token of its own.
func (l *Log) Redact(text string) string {
	for sent := range l.sent.Range {
		for word := range strings.FieldsSeq(fmt.Sprint(sent)) {
			if len(word) > len("Bearer") {
				text = strings.ReplaceAll(text, word, secret.Redacted)
			}
		}
	}
	return jsonWebToken.ReplaceAllLiteralString(text, secret.Redacted)
}

// Printf writes exactly one line, whatever stands in the arguments.
func (l *Log) Printf(format string, args ...any) {
	for i, arg := range args {
		if err, ok := arg.(error); ok {
			args[i] = problem.Sentence(err)
		}
	}
	l.writeLines(fmt.Sprintf(format, args...))
}

// writeLines writes lines that belong together.
func (l *Log) writeLines(lines ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = time.Now()
	for _, line := range lines {
		l.held = append(l.held, CleanLine(l.Redact(line)))
	}
	l.flush()
}

// Hold buffers the log until release is called. While a token is on its way, the runner must not
// read anybody's data: it does not know the mask yet. Holds nest, and nothing is lost.
func (l *Log) Hold() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holds++
	return sync.OnceFunc(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.holds--
		l.flush()
	})
}

// flush writes the lines unless they are held. The caller has locked l.mu.
func (l *Log) flush() {
	if l.holds > 0 || len(l.held) == 0 {
		return
	}
	l.clearLine()
	for _, line := range l.held {
		fmt.Fprintln(l.w, line) //nolint:errcheck // there is no other place to say it
	}
	l.held = nil
}

// Warnf writes a line that is a warning.
func (l *Log) Warnf(format string, args ...any) { l.Printf("warning: "+format, args...) }

// Debugf writes a line where the log is at debug level.
func (l *Log) Debugf(format string, args ...any) {
	if l.debug {
		l.Printf("debug: "+format, args...)
	}
}

// PrintList prints as many lines as stay readable.
func (l *Log) PrintList(prefix string, lines []string) {
	for i, line := range lines {
		if i == reportedAtMost {
			l.Printf("%sand %d more like these", prefix, len(lines)-i)
			return
		}
		l.Printf("%s%s", prefix, line)
	}
}

// reportedAtMost keeps the log readable.
const reportedAtMost = 20
