package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
)

// Bundle is a certificate authority.
type Bundle struct {
	PEM     []byte   // the usable certificates alone: a file of PEM can hold a private key as well
	Skipped []string // why each unusable certificate is left out

	given []byte
	der   []byte // the certificates, one after the other
}

// Read reads the certificates of a bundle. Like Go and kubectl
// ([x509.CertPool.AppendCertsFromPEM]), it leaves out a certificate that cannot be used. It is an
// error if none is left.
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

// Fingerprint returns the fingerprint of a bundle of PEM, "" for none.
func Fingerprint(bundle []byte) string {
	b, err := Read(bundle)
	if err != nil {
		return ""
	}
	return b.Fingerprint()
}

// HasFingerprint reports whether a bundle of PEM has this fingerprint, in any form that [Bundle.Is]
// takes. "" is the fingerprint of no bundle.
func HasFingerprint(bundle []byte, fingerprint string) bool {
	b, err := Read(bundle)
	if err != nil {
		return fingerprint == ""
	}
	return b.Is(fingerprint)
}

// Fingerprint returns the SHA-256 of the certificates (DER, one after the other) in lower-case hex.
// For one certificate `openssl x509 -fingerprint -sha256` prints the same. A bundle has a
// fingerprint of its own, since anyone could have added a CA to it.
func (b *Bundle) Fingerprint() string { return sumSHA256(b.der) }

// Is reports whether a SHA-256 is that of this bundle: of its certificates in DER or PEM, or of the
// bundle as it was given, which `sha256sum ca.crt` prints. An input may have dropped the last line
// break of the bundle.
func (b *Bundle) Is(fingerprint string) bool {
	withBreak := append(slices.Clone(b.given), '\n')
	forms := []string{sumSHA256(b.der), sumSHA256(b.PEM), sumSHA256(b.given), sumSHA256(withBreak)}
	return slices.Contains(forms, fingerprint)
}

func sumSHA256(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

// Warnings returns what is left out of the bundle. whose names its owner.
func (b *Bundle) Warnings(whose string) (warnings []string) {
	const most = 5
	for i, why := range b.Skipped {
		if i == most {
			return append(warnings, fmt.Sprintf("%s: so are %d more", whose, len(b.Skipped)-most))
		}
		warnings = append(warnings, fmt.Sprintf("%s: a certificate of its certificate "+
			"authority is left out, "+
			"and the others are used: %s",
			whose, why))
	}
	return warnings
}
