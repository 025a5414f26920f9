package plugin

import (
	"errors"
	"net/url"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

// Refuse returns the reason why a stanza is not served. The caller adds whose stanza it is.
func Refuse(format string, args ...any) *problem.Error {
	return problem.Newf(problem.Source, "serve it in-process", format, args...)
}

// CheckLogin is the remedy for failures without a better one.
const CheckLogin = "see whether the step that logs in to the cloud has run in this job and " +
	"succeeded, and whether this runner reaches the cloud's endpoint"

// mostShown bounds how much of an endpoint's answer an error shows.
const mostShown = 400

// ExplainFailure returns the error of a token request, nil for nil. An error that already has
// remedies stays unchanged. Text of an endpoint is put on one line and bounded.
func ExplainFailure(op string, err error, hints ...string) error {
	if err == nil {
		return nil
	}
	if explained, ok := errors.AsType[*problem.Error](err); ok {
		return explained
	}
	if len(hints) == 0 {
		hints = []string{CheckLogin}
	}
	text := problem.ShortenText(strings.Join(strings.Fields(err.Error()), " "), mostShown)
	return problem.New(problem.Source, op, errors.New(text), hints...)
}

// DropURL returns the cause of an error without the URL, whose query may hold a secret.
func DropURL(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}
