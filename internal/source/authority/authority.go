package authority

import (
	"errors"

	"github.com/kubemint/kubemint/internal/disk"
	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/certs"
	"github.com/kubemint/kubemint/internal/source/form"
)

// Authority is the value of the input `certificate_authority`.
type Authority struct {
	PEM      []byte   // the usable certificates alone
	Given    []byte   // the bundle as it was given, with comments and line breaks
	Warnings []string // which parts of it are left out
}

const anyForm = "give a path that this step can read, or the PEM itself, or its base64"

// Read reads the input. inside translates a path of the host to this process's.
func Read(given string, inside func(string) string) (Authority, error) {
	const op = "read input certificate_authority"
	text := []byte(given)
	if !form.IsContent(given) {
		var err error
		if text, err = disk.Read(inside(given)); err != nil {
			return Authority{}, problem.New(problem.Config, op, err).
				Hint("%s", disk.Remedy(err)).Hint(anyForm)
		}
	}
	text = form.Unwrap(text)
	bundle, err := certs.Read(text)
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return Authority{}, problem.New(problem.Config, op, p.Cause, p.Hints...).Hint(anyForm)
	}
	warnings := bundle.Warnings("`certificate_authority`")
	return Authority{PEM: bundle.PEM, Given: text, Warnings: warnings}, nil
}
