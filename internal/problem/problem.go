package problem

import (
	"errors"
	"fmt"
	"os"
)

// Code is the process's exit code, by the kind of failure. Pipelines branch on it, so a number never changes its meaning.
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

// Error is one failure as a person needs it. It prints as "Op: Cause"; the hints are printed on lines of their own.
type Error struct {
	Code  Code
	Op    string // verb and object: "read kubeconfig"
	Cause error
	Hints []string // what to do, one remedy each
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

func (e *Error) Error() string { return e.Op + ": " + e.Cause.Error() }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// Shorten keeps an error readable whose text comes from elsewhere: of a longer one it leaves so many runes.
func Shorten(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// Interrupted is the cause of a context that a signal ended; its exit code is 128 plus the signal's number.
type Interrupted struct {
	Signal os.Signal
	Number int
}

func (i Interrupted) Error() string { return "interrupted by " + i.Signal.String() }

// All returns the failures that err is made of, in order: the parts of a joined error, or err alone.
func All(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, All(e)...)
		}
		return all
	}
	return []error{err}
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
