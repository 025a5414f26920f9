package answer

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// ForeignError is an answer that is not an API server's, but a page: of a proxy, a login, another
// server. That it says 200 or 404 means nothing.
type ForeignError struct{ Code int }

func (e *ForeignError) Error() string {
	return fmt.Sprintf(
		"the answer is not one of the Kubernetes API (%d %s)", e.Code, http.StatusText(e.Code),
	)
}

// UnsureError is the last fault of a request whose earlier try may have been carried out.
type UnsureError struct{ Last, Before error }

func (e *UnsureError) Error() string { return e.Last.Error() }

func (e *UnsureError) Unwrap() error { return e.Last }

// EndedError is the last fault of a request whose time was over.
type EndedError struct{ Cause, Last error }

func (e *EndedError) Error() string {
	return e.Cause.Error() + "; the last answer was: " + WithoutURL(e.Last).Error()
}

func (e *EndedError) Unwrap() []error { return []error{e.Cause, e.Last} }

// WithoutURL is an error without the request's method and URL, which op says better, and without
// the text of a page.
func WithoutURL(err error) error {
	if status, ok := StatusOf(err); ok && apierrors.IsUnexpectedServerError(err) &&
		strings.Contains(status.Message, "<") {
		return fmt.Errorf("%d %s", status.Code, http.StatusText(int(status.Code)))
	}
	asked, ok := errors.AsType[*url.Error](err)
	if _, ended := errors.AsType[*EndedError](err); ok && !ended { // which is bare already
		return asked.Err
	}
	return err
}
