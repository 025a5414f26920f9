package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"regexp"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

// Redacted is printed by `kubectl config view` in place of text, unless --raw is given.
const Redacted = "REDACTED"

// WithoutRaw is the remedy for a kubeconfig that was printed without its secrets.
const WithoutRaw = "print it with its secrets: `kubectl config view --raw --minify --flatten`"

// Omitted reports whether a value is one that `kubectl config view` prints in the place of a
// secret.
func Omitted(value []byte) bool {
	const data = "DATA+OMITTED" // which happens to be base64, of nine bytes
	trimmed := string(bytes.TrimSpace(value))
	return trimmed == Redacted || trimmed == data || base64.StdEncoding.EncodeToString(value) == data
}

func fault(cause, remedy string) *problem.Error {
	return problem.Newf(problem.Source, "read PEM", "%s", cause).Hint("%s", remedy)
}

// explainBundle says why there is no certificate in a certificate authority. skipped are the faults
// of those that do not parse.
func explainBundle(given []byte, skipped []string) error {
	const again = "take the CA from the cluster: `kubectl config view --raw --minify " +
		"--flatten`, or its file ca.crt"
	switch {
	case len(skipped) > 0 && strings.Contains(skipped[0], "negative serial number"):
		return fault("its certificate has a negative serial number, which neither kubectl nor "+
			"kubemint accepts",
			"have the certificate authority issued again with a positive serial number: "+
				"`openssl req -x509 "+
				"-set_serial 1 …`")
	case len(skipped) > 0 && skipped[0] != brokenBlock:
		return fault("none of its certificates can be read: "+skipped[0], again)
	}
	if p := explainPEM(given, "certificate"); p != nil {
		return p
	}
	return fault("there is no PEM certificate in it", again)
}

// CheckPair says what is wrong with a client certificate and its key, and returns the certificate
// where nothing is.
func CheckPair(certificate, key []byte) (*x509.Certificate, error) {
	switch {
	case len(certificate) == 0:
		return nil, fault("its client-key has no client-certificate",
			"give it client-certificate-data as well, or leave the key out: "+flatten)
	case Omitted(certificate), Omitted(key):
		return nil, fault("its client-certificate or client-key was left out when the "+
			"kubeconfig was printed",
			WithoutRaw)
	case len(key) == 0:
		return nil, fault("its client-certificate has no client-key", "give it client-key-data "+
			"as well: "+flatten)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err == nil {
		return pair.Leaf, nil
	}
	isKey := holdsBlock(certificate, "PRIVATE KEY")
	isCertificate := holdsBlock(key, certificateType) && !holdsBlock(key, "PRIVATE KEY")
	if isKey && isCertificate {
		return nil, fault("its client-certificate is a key, and its client-key a certificate",
			"swap the two fields")
	}
	if p := explainPEM(certificate, "certificate"); p != nil {
		p.Cause = fmt.Errorf("its client-certificate cannot be used: %w", p.Cause)
		return nil, p
	}
	if p := explainKey(key); p != nil {
		return nil, p
	}
	return nil, explainPair(certificate, err)
}

// explainPair explains why a certificate and a key are not a pair. Each is PEM of its kind.
func explainPair(certificate []byte, err error) error {
	if block, _ := pem.Decode(certificate); block != nil && block.Type == certificateType {
		if _, broken := x509.ParseCertificate(block.Bytes); broken != nil {
			return fault("its client-certificate cannot be read: "+parseFault(broken),
				"log in again, for another certificate: "+flatten)
		}
	}
	if strings.Contains(err.Error(), "private key does not match public key") ||
		strings.Contains(err.Error(), "private key type does not match public key type") {
		return fault("its client-key is the key of another certificate",
			"see whether both come from the same login; this prints the key's certificate "+
				"request: "+
				"`openssl pkey -in client.key -pubout` and `openssl x509 -in client.crt -noout "+
				"-pubkey` have to "+
				"print the same")
	}
	return fault("its client-certificate and client-key are not a PEM pair",
		"write the kubeconfig again: "+flatten)
}

const flatten = "`kubectl config view --raw --minify --flatten`"

func explainKey(key []byte) *problem.Error {
	if holdsBlock(key, "ENCRYPTED PRIVATE KEY") || bytes.Contains(key, []byte("Proc-Type: "+
		"4,ENCRYPTED")) {
		return fault("its client-key is encrypted, and nobody is there to type the passphrase",
			"decrypt it in an earlier step, outside the checkout: `openssl pkey -in client.key "+
				"-out plain.key`")
	}
	if holdsBlock(key, "OPENSSH PRIVATE KEY") {
		return fault("its client-key is a key of OpenSSH", "convert it: `ssh-keygen -p -m PEM "+
			"-f client.key`")
	}
	p := explainPEM(key, "private key")
	if p != nil {
		p.Cause = fmt.Errorf("its client-key cannot be used: %w", p.Cause)
	}
	return p
}

// explainPEM says why there is no PEM of what is wanted in data, nil where there is some.
func explainPEM(data []byte, want string) *problem.Error {
	trimmed := bytes.TrimSpace(data)
	begins := bytes.Contains(data, []byte("-----BEGIN "))
	block, _ := pem.Decode(data)
	switch {
	case Omitted(data):
		return fault("it was left out when the kubeconfig was printed", WithoutRaw)
	case len(trimmed) == 0:
		return fault("it is empty", "write the kubeconfig again: "+flatten)
	case isUTF16(data):
		return fault("it is UTF-16, as Windows PowerShell writes it",
			"write it as ASCII: `Set-Content -Encoding ascii`")
	case begins && !bytes.Contains(trimmed, []byte("\n")) && bytes.Contains(trimmed, []byte(`\n`)):
		return fault(`its line breaks are written as \n`, "write them as line breaks before it "+
			"is encoded: "+
			"`printf '%b' \"$PEM\" | base64 -w0`")
	case begins && !bytes.Contains(trimmed, []byte("\n")):
		return fault("its line breaks are lost", "put the variable into quotes before it is "+
			"encoded: `printf "+
			"'%s' \"$PEM\" | base64 -w0`")
	case begins && block == nil:
		return fault(brokenBlock, "copy it whole, from -----BEGIN to -----END, or write the "+
			"kubeconfig "+
			"again: "+flatten)
	case begins:
		return explainType(data, want)
	case isDER(data):
		return fault("it is DER, and not PEM", "convert it: `openssl x509 -inform der -in FILE "+
			"-out "+
			"FILE.pem` (a key: `openssl pkey`)")
	case isPath(trimmed):
		return fault("it is a path, in a field for content", "name the path in the field "+
			"without -data "+
			"(`certificate-authority`, "+
			"`client-certificate`, `client-key`), or embed the file: "+flatten)
	case isBase64(trimmed):
		return fault("it is base64 of base64", "encode it once: `base64 -w0 FILE` in a field "+
			"whose name ends "+
			"in -data")
	}
	return fault("there is no PEM "+want+" in it", "write the kubeconfig again: "+flatten)
}

// explainType names PEM of another type than what is wanted, nil where a block of the wanted type
// is there.
func explainType(data []byte, want string) *problem.Error {
	wanted := certificateType
	if want != "certificate" {
		wanted = "PRIVATE KEY"
	}
	if holdsBlock(data, wanted) {
		return nil
	}
	for _, other := range []struct{ kind, cause, remedy string }{
		{
			"TRUSTED CERTIFICATE", "it is a certificate in OpenSSL's own form",
			"convert it: `openssl x509 -in FILE -out FILE.pem`",
		},
		{
			"CERTIFICATE REQUEST", "it is a certificate request, which nobody has signed",
			"give the certificate that was made from it",
		},
		{"PKCS7", "it is PKCS#7", "convert it: `openssl pkcs7 -print_certs -in FILE -out " +
			"FILE.pem`"},
		{
			"CERTIFICATE", "it is a certificate, and not a private key",
			"give the key that belongs to it: " + flatten,
		},
		{
			"PRIVATE KEY", "it is a private key, and not a certificate",
			"give the certificate; a key in its place may have been published",
		},
		{"PUBLIC KEY", "it is a public key", "give the " + want + ": " + flatten},
	} {
		if holdsBlock(data, other.kind) {
			return fault(other.cause, other.remedy)
		}
	}
	return fault("there is no PEM "+want+" in it", "write the kubeconfig again: "+flatten)
}

// holdsBlock reports whether data has a PEM block whose type is kind, or for keys ends in it ("EC
// PRIVATE KEY").
func holdsBlock(data []byte, kind string) bool {
	pattern := `-----BEGIN ` + kind + `-----`
	if strings.HasSuffix(kind, "KEY") || kind == "PKCS7" {
		pattern = `-----BEGIN [A-Z0-9 ]*` + kind + `-----`
	}
	return regexp.MustCompile(pattern).Match(data)
}

// isUTF16 reports whether data has a byte order mark, or zero bytes as ASCII has in UTF-16.
func isUTF16(data []byte) bool {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) {
		return true
	}
	return bytes.IndexByte(data[:min(len(data), 8)], 0) >= 0 && !isDER(data)
}

// isDER reports whether data begins with a SEQUENCE, as certificates and keys do.
func isDER(data []byte) bool { return len(data) > 4 && data[0] == 0x30 && data[1] >= 0x80 }

func isPath(text []byte) bool {
	return regexp.MustCompile(`^(?:(?:~|\.{1,2})?/|[A-Za-z]:\\)[^\n]{1,255}$`).Match(text)
}

func isBase64(text []byte) bool {
	compact := strings.Join(strings.Fields(string(text)), "")
	decoded, err := base64.StdEncoding.DecodeString(compact)
	return err == nil && bytes.Contains(decoded, []byte("-----BEGIN "))
}
