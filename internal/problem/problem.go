package problem

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Code is the process's exit code, by the kind of failure. Pipelines branch on it, so a number
// never changes its meaning.
type Code int

// The exit codes. 0 is success; an unclassified error exits 1 and is a defect of ours.
const (
	Unknown Code = 1
	Config  Code = 2 // inputs, rules, output path
	Source  Code = 3 // the runner's own credential, or the API server is away
	Rights  Code = 4 // the server refuses the runner's identity, or the object is somebody else's
	Mint    Code = 5 // ensure, mint or verify
	Publish Code = 6 // outputs, env file, summary
	Revoke  Code = 7
)

// Error is one failure as a person needs it. It prints as "Op: Cause"; details and hints get lines
// of their own. None of its texts has a line break of ours: one that is there came with somebody
// else's data, and is printed escaped.
type Error struct {
	Code    Code
	Op      string // verb and object: "read kubeconfig"
	Cause   error
	Details []string // lines below the first one, such as the rules that are missing
	Hints   []string // what to do, one remedy each
	Paste   *Paste   // the last hint, with lines of its own
	Shared  bool     // every request would meet this cause: a refused login, a server out of reach
}

// Paste is a remedy that takes several lines, such as rules to copy into a Role.
type Paste struct {
	Intro string
	Lines []string
}

// New returns an [Error]. A nil cause is a defect of the caller.
func New(code Code, op string, cause error, hints ...string) *Error {
	return &Error{Code: code, Op: op, Cause: cause, Hints: hints}
}

// Newf is [New] with the cause made from a format.
func Newf(code Code, op, format string, args ...any) *Error {
	return New(code, op, fmt.Errorf(format, args...))
}

// Hint adds a remedy and returns the error itself.
func (e *Error) Hint(format string, args ...any) *Error {
	e.Hints = append(e.Hints, fmt.Sprintf(format, args...))
	return e
}

// Detail adds lines below the first one and returns the error itself.
func (e *Error) Detail(lines ...string) *Error {
	e.Details = append(e.Details, lines...)
	return e
}

// Headline is the error without its details.
func (e *Error) Headline() string { return e.Op + ": " + Sentence(e.Cause) }

// Error is the headline and the details on one line.
func (e *Error) Error() string {
	if len(e.Details) == 0 {
		return e.Headline()
	}
	trimmed := make([]string, len(e.Details))
	for i, detail := range e.Details {
		trimmed[i] = strings.TrimSpace(detail)
	}
	return e.Headline() + ": " + strings.Join(trimmed, "; ")
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// ShortenText keeps an error readable whose text comes from elsewhere: of a longer one it leaves so
// many runes.
func ShortenText(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// Interrupted is the cause of a context that a signal ended; its exit code is 128 plus the signal's
// number.
type Interrupted struct {
	Signal os.Signal
	Number int
}

func (i Interrupted) Error() string { return "interrupted by " + i.Signal.String() }

// ListErrors returns the failures that err is made of, in order: the parts of a joined error, or
// err alone.
func ListErrors(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, ListErrors(e)...)
		}
		return all
	}
	return []error{err}
}

// Sentence is the text of err on one line: where errors.Join puts a line break between its parts,
// it has a semicolon.
func Sentence(err error) string {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err.Error()
	}
	var raw, sentences []string
	for _, part := range joined.Unwrap() {
		raw = append(raw, part.Error())
		sentences = append(sentences, Sentence(part))
	}
	if err.Error() != strings.Join(raw, "\n") { // it wraps several errors in a text of its own
		return err.Error()
	}
	return strings.Join(sentences, "; ")
}

// ExitCode is the code that the process ends with for err: the first failure's.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	if interrupted, ok := errors.AsType[Interrupted](err); ok {
		return 128 + interrupted.Number
	}
	if problem, ok := errors.AsType[*Error](err); ok {
		return int(problem.Code)
	}
	return int(Unknown)
}

// AddHint adds a remedy to an error that has this code.
func AddHint(err error, code Code, remedy string) error {
	if p, ok := errors.AsType[*Error](err); ok && p.Code == code {
		p.Hint("%s", remedy)
	}
	return err
}
