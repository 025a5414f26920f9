package source

import (
	"errors"

	"github.com/kubemint/kubemint/internal/problem"
)

// Certificates reads the input `certificate_authority`: PEM, base64 of PEM, or a path. Certificates alone are returned,
// whatever else the PEM holds. The error is of code [problem.Config] and holds nothing of the content.
func Certificates(given string, inside func(string) string) ([]byte, error) {
	text, isContent := content(given)
	if !isContent {
		var err error
		if text, err = readFile(inside(given)); err != nil {
			return nil, problem.New(problem.Config, "read input certificate_authority", err).
				Hint("give a path that this step can read, or the PEM itself, or its base64")
		}
	}
	bundle, err := certificates(text)
	if err != nil {
		return nil, problem.New(problem.Config, "read input certificate_authority", errors.New("there is no PEM certificate in it")).
			Hint("give a path, or the PEM itself, or its base64")
	}
	return bundle, nil
}
