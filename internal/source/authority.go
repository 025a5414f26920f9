package source

import (
	"errors"

	"k8s.io/client-go/util/cert"

	"github.com/kubemint/kubemint/internal/problem"
)

// Certificates reads the input `certificate_authority`: PEM, base64 of PEM, or a path. Certificates alone are returned,
// whatever else the PEM holds. The error is of code [problem.Config] and holds nothing of the content.
func Certificates(given string, inside func(string) string) ([]byte, error) {
	text, isContent := content(given)
	var err error
	if !isContent {
		text, err = readFile(inside(given))
	}
	if err == nil {
		text, err = certificates(text)
	}
	if err != nil {
		return nil, problem.New(problem.Config, "read input certificate_authority", err).
			Hint("give a path that this step can read, or the PEM itself, or its base64")
	}
	return text, nil
}

// certificates leaves out all but the certificates: the CA is published, and a PEM file may hold a private key as well.
func certificates(pem []byte) ([]byte, error) {
	parsed, err := cert.ParseCertsPEM(pem)
	if err != nil {
		return nil, errors.New("there is no PEM certificate in it")
	}
	return cert.EncodeCertificates(parsed...)
}
