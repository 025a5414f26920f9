package source

import (
	"errors"

	"github.com/kubemint/kubemint/internal/problem"
	"github.com/kubemint/kubemint/internal/source/certs"
	"github.com/kubemint/kubemint/internal/source/disk"
	"github.com/kubemint/kubemint/internal/source/form"
)

// Authority is the input `certificate_authority`.
type Authority struct {
	PEM      []byte   // its certificates, and nothing else
	Given    []byte   // the bundle as it was given, comments and line breaks included
	Warnings []string // what of it is left out
}

// ReadAuthority reads the input `certificate_authority`: PEM, base64 of PEM, or a path. The error is of code
// [problem.Config] and holds nothing of the content.
func ReadAuthority(given string, inside func(string) string) (Authority, error) {
	const op = "read input certificate_authority"
	text := []byte(given)
	var err error
	if !form.IsContent(given) {
		text, err = disk.Read(inside(given))
	}
	if err != nil {
		return Authority{}, problem.New(problem.Config, op, err).Hint("%s", disk.Remedy(err)).Hint(anyForm)
	}
	text = form.Unwrap(text)
	bundle, err := certs.Read(text)
	if p, ok := errors.AsType[*problem.Error](err); ok {
		refused := problem.New(problem.Config, op, p.Cause, p.Hints...)
		return Authority{}, refused.Hint(anyForm)
	}
	return Authority{PEM: bundle.PEM, Given: text, Warnings: bundle.Warnings("`certificate_authority`")}, nil
}

const anyForm = "give a path that this step can read, or the PEM itself, or its base64"
