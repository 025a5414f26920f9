package console

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/token"
)

// Log writes lines for people to stderr: stdout belongs to the platform's commands.
type Log struct {
	mu    sync.Mutex
	w     io.Writer
	debug bool

	unfinished bool // the last line is a bar without an end
	said       time.Time
	sent       sync.Map // Authorization headers
}

// jsonWebToken is one, or what was cut off one.
var jsonWebToken = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+(\.[\w-]*)?`)

// New returns a log that writes to w and says nothing at debug level.
func New(w io.Writer) *Log { return &Log{w: w, said: time.Now()} }

// Debug says whether [Log.Debugf] writes.
func (l *Log) Debug(on bool) { l.debug = on }

// Sent notes an Authorization header, so that no line repeats what is in it.
func (l *Log) Sent(header string) { l.sent.Store(header, nil) }

// Clean is a text without the credentials that were sent, and without any JSON Web Token: an answer may repeat the ones, and
// hold another that it was to hand out.
func (l *Log) Clean(text string) string {
	for sent := range l.sent.Range {
		for word := range strings.FieldsSeq(fmt.Sprint(sent)) {
			if len(word) > len("Bearer") {
				text = strings.ReplaceAll(text, word, token.Redacted)
			}
		}
	}
	return jsonWebToken.ReplaceAllLiteralString(text, token.Redacted)
}

// Printf writes a line. Azure's agent and GitHub's runner obey ##vso[…] and ##[…] wherever they stand in it: what an API server
// says is not to command them.
func (l *Log) Printf(format string, args ...any) {
	text := strings.ReplaceAll(l.Clean(fmt.Sprintf(format, args...)), "##", "# # ")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
	l.said = time.Now()
	fmt.Fprintln(l.w, text) //nolint:errcheck // there is no other place to say it
}

func (l *Log) Warnf(format string, args ...any) { l.Printf("warning: "+format, args...) }

func (l *Log) Debugf(format string, args ...any) {
	if l.debug {
		l.Printf("debug: "+format, args...)
	}
}

// List prints so many lines as stay readable.
func (l *Log) List(prefix string, lines []string) {
	for i, line := range lines {
		if i == reportedAtMost {
			l.Printf("%sand %d more like these", prefix, len(lines)-i)
			return
		}
		l.Printf("%s%s", prefix, line)
	}
}

// failure is what the report says of one or of many alike.
type failure struct {
	text   string
	hints  []string
	others []string // namespaces in which the same happened
}

// placed finds the namespace of a failure: of its object, or where its text says so.
var placed = regexp.MustCompile(`^\w+ [A-Z]\w+ ([a-z0-9-]+)/| in namespace ([a-z0-9-]+)`)

// grouped makes one of what every request in flight met alike (that the API server is out of reach, a login refused, the
// run interrupted), and of what differs in the namespace alone.
func grouped(err error) []*failure {
	var all []*failure
	seen := map[string]*failure{}
	for _, each := range problem.All(err) {
		f, namespace := &failure{text: each.Error()}, ""
		if p, ok := errors.AsType[*problem.Error](each); ok {
			f.hints = p.Hints
		}
		key := f.text
		if code := problem.ExitCode(each); code == int(problem.Source) || code > 128 {
			key = strconv.Itoa(code)
		} else if found := placed.FindStringSubmatch(f.text); found != nil {
			namespace = found[1] + found[2]
			key = regexp.MustCompile(`\b`+namespace+`\b`).ReplaceAllLiteralString(f.text, "*")
		}
		first := seen[key]
		if first == nil {
			seen[key] = f
			all = append(all, f)
		} else if namespace != "" && f.text != first.text {
			first.others = append(first.others, namespace)
		}
	}
	return all
}

// reportedAtMost keeps the log readable.
const reportedAtMost = 20

// Report shows every failure once: one sentence, then what to do. A hint that several have stands below the last of them.
func (l *Log) Report(err error, annotate func(string)) {
	failures := grouped(err)
	if more := len(failures) - reportedAtMost; more > 0 {
		failures = append(failures[:reportedAtMost], &failure{text: fmt.Sprintf("and %d more like these", more)})
	}
	left := map[string]int{}
	for _, f := range failures {
		for _, hint := range f.hints {
			left[hint]++
		}
	}
	for _, f := range failures {
		if len(f.others) > 0 {
			f.text += fmt.Sprintf("\n    and the same in %s: %s", Plural(len(f.others), "more namespace"), Some(f.others))
		}
		l.Printf("error: %s", f.text)
		for _, hint := range f.hints {
			if left[hint]--; left[hint] == 0 {
				l.Printf("hint: %s", hint)
			}
		}
		annotate(l.Clean(strings.Join(append([]string{f.text}, f.hints...), "\n")))
	}
}

// Some names at most ten.
func Some(names []string) string {
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
