package certs

import (
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

const certificateType = "CERTIFICATE"

const brokenBlock = "its PEM block is cut off, or is not base64"

// parseFault returns why a certificate does not parse. Some errors of x509 repeat a name of the
// certificate, of any length.
func parseFault(err error) string {
	return problem.ShortenText(strings.Join(strings.Fields(err.Error()), " "), 120)
}
