package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

const certificateType = "CERTIFICATE"

// Bundle is a certificate authority: the certificates that it consists of, and how it was given.
type Bundle struct {
	PEM     []byte   // its certificates and nothing else: a file of PEM can hold a private key as well
	Skipped []string // why each certificate that cannot be used is left out

	given []byte
	der   []byte // of the certificates, one after the other
}

// Read reads the certificates of a bundle. One that cannot be used is left out, as Go and kubectl leave
// it out ([x509.CertPool.AppendCertsFromPEM]). It is an error where none is left.
func Read(given []byte) (*Bundle, error) {
	b := &Bundle{given: given}
	blocks := 0
	for rest := given; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != certificateType || len(block.Headers) > 0 {
			continue
		}
		blocks++
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			b.Skipped = append(b.Skipped, parseFault(err))
			continue
		}
		b.der = append(b.der, block.Bytes...)
		b.PEM = append(b.PEM, pem.EncodeToMemory(&pem.Block{Type: certificateType, Bytes: block.Bytes})...)
	}
	for range bytes.Count(given, []byte("-----BEGIN "+certificateType+"-----")) - blocks {
		b.Skipped = append(b.Skipped, brokenBlock)
	}
	if len(b.PEM) == 0 {
		return nil, explainBundle(given, b.Skipped)
	}
	return b, nil
}

const brokenBlock = "its PEM block is cut off, or holds what is not base64"

// parseFault is why a certificate does not parse. Some of what x509 says repeats a name of the certificate, of any length.
func parseFault(err error) string {
	return problem.Shorten(strings.Join(strings.Fields(err.Error()), " "), 120)
}

// Fingerprint is the SHA-256 of the certificates (DER, one after the other) in lower-case hex: for one
// certificate what `openssl x509 -fingerprint -sha256` prints. A bundle has one of its own, since
// whoever adds a CA to it could be anybody.
func (b *Bundle) Fingerprint() string { return sum(b.der) }

// Is says whether a SHA-256 is that of this bundle: of its certificates in either form, or of the
// bundle as it was given, which `sha256sum ca.crt` prints. What was given may have lost its last line
// break on its way through an input.
func (b *Bundle) Is(fingerprint string) bool {
	withBreak := append(slices.Clone(b.given), '\n')
	return slices.Contains([]string{sum(b.der), sum(b.PEM), sum(b.given), sum(withBreak)}, fingerprint)
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

// Warnings says what is left out of a bundle, of which whose is the owner.
func (b *Bundle) Warnings(whose string) (warnings []string) {
	const most = 5
	for i, why := range b.Skipped {
		if i == most {
			return append(warnings, fmt.Sprintf("%s: so are %d more", whose, len(b.Skipped)-most))
		}
		warnings = append(warnings, fmt.Sprintf("%s: a certificate of its certificate authority is left out, "+
			"and the others are used: %s",
			whose, why))
	}
	return warnings
}
