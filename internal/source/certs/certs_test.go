package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubemint/kubemint/internal/problem"
)

// negative is a root whose serial number is negative, as some companies have one.
func negative(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/negative-serial.pem")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newCertificate(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("CERTIFICATE", der)
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("PRIVATE KEY", der)
}

// omitted returns what a -data field that says DATA+OMITTED decodes to.
func omitted(t *testing.T) []byte {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString("DATA+OMITTED")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// One bad certificate does not spoil a bundle: it is left out, as Go and kubectl leave it out.
func TestRead_LeavesOutWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	first, second := newCertificate(t, newKey(t)), newCertificate(t, newKey(t))
	key := pkcs8(t, newKey(t))
	cut := first[:len(first)/2]
	garbage := pemOf("CERTIFICATE", []byte("not ASN.1"))
	header := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Headers: map[string]string{"a": "b"}, Bytes: []byte("x")})
	both := join(first, second)
	for name, c := range map[string]struct {
		given   []byte
		want    []byte
		skipped string
	}{
		"one":                    {first, first, ""},
		"two":                    {both, both, ""},
		"comments":               {join([]byte("# corp root\nsubject=/CN=x\n"), first, []byte("\n# and\n\n"), second), both, ""},
		"Windows' line breaks":   {bytes.ReplaceAll(both, []byte("\n"), []byte("\r\n")), both, ""},
		"no line break at end":   {bytes.TrimSpace(both), both, ""},
		"a key among them":       {join(first, key, second), both, ""},
		"negative serial, first": {join(negative(t), first), first, "x509: negative serial number"},
		"negative serial, last":  {join(first, negative(t)), first, "x509: negative serial number"},
		"not ASN.1":              {join(garbage, both), both, "x509: malformed certificate"},
		"cut off, first":         {join(cut, []byte("\n"), second), second, brokenBlock},
		"cut off, last":          {join(second, cut), second, brokenBlock},
		"with a header":          {join(header, second), second, brokenBlock},
		"not base64":             {join([]byte("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"), first), first, brokenBlock},
	} {
		bundle, err := Read(c.given)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(string(c.want), string(bundle.PEM)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got := strings.Join(bundle.Skipped, ", "); got != c.skipped {
			t.Errorf("%s: left out %q, want %q", name, got, c.skipped)
		}
		if warnings := bundle.Warnings("cluster \"x\""); len(warnings) != len(bundle.Skipped) ||
			(c.skipped != "" && !strings.HasPrefix(warnings[0], `cluster "x": a certificate of its certificate authority is left out, and the others are used: `)) {
			t.Errorf("%s: warnings %q", name, warnings)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(c.given) || !pool.Equal(poolOf(bundle.PEM)) {
			t.Errorf("%s: kubectl would trust others", name)
		}
	}
}

func poolOf(data []byte) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	return pool
}

func TestBundle_IsItsOwnSums(t *testing.T) {
	t.Parallel()
	first, second := newCertificate(t, newKey(t)), newCertificate(t, newKey(t))
	a, _ := pem.Decode(first)
	b, _ := pem.Decode(second)
	der := fmt.Sprintf("%x", sha256.Sum256(join(a.Bytes, b.Bytes)))
	for name, given := range map[string][]byte{
		"plain":                join(first, second),
		"a comment":            join([]byte("# root\n"), first, second),
		"an empty line":        join(first, []byte("\n"), second),
		"CR LF":                bytes.ReplaceAll(join(first, second), []byte("\n"), []byte("\r\n")),
		"no line break at end": bytes.TrimSuffix(join(first, second), []byte("\n")),
		"one left out":         join(first, negative(t), second),
	} {
		bundle, err := Read(given)
		if err != nil {
			t.Fatal(err)
		}
		sums := map[string]string{
			"of the file": fmt.Sprintf("%x", sha256.Sum256(given)), "of the certificates": der,
			"of the certificates as PEM": fmt.Sprintf("%x", sha256.Sum256(join(first, second))),
		}
		for what, sum := range sums {
			if !bundle.Is(sum) {
				t.Errorf("%s: the sum %s is not taken", name, what)
			}
		}
		for what, other := range map[string][]byte{"one of them": a.Bytes, "one, as PEM": first, "nothing": nil, "swapped": join(b.Bytes, a.Bytes)} {
			if bundle.Is(fmt.Sprintf("%x", sha256.Sum256(other))) {
				t.Errorf("%s: the sum of %s is taken for that of the bundle", name, what)
			}
		}
		if bundle.Fingerprint() != der {
			t.Errorf("%s: the fingerprint is %s", name, bundle.Fingerprint())
		}
	}
	// An input loses its last line break.
	trimmed, err := Read(bytes.TrimSpace(join(first, second)))
	if err != nil || !trimmed.Is(fmt.Sprintf("%x", sha256.Sum256(join(first, second)))) {
		t.Error("the sum of the file is not taken for what an input left of it", err)
	}
}

func reason(t *testing.T, err error) string {
	t.Helper()
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || len(p.Hints) != 1 {
		t.Fatalf("not a problem with one remedy: %v", err)
	}
	return p.Cause.Error() + "\n" + p.Hints[0]
}

func TestRead_NamesEachFault(t *testing.T) {
	t.Parallel()
	certificate := newCertificate(t, newKey(t))
	block, _ := pem.Decode(certificate)
	oneLine := bytes.ReplaceAll(bytes.TrimSpace(certificate), []byte("\n"), []byte(" "))
	for name, c := range map[string]struct {
		given         []byte
		cause, remedy string
	}{
		"negative serial":        {negative(t), "its certificate has a negative serial number", "-set_serial 1"},
		"not ASN.1":              {pemOf("CERTIFICATE", []byte("x")), "none of its certificates can be read: x509: malformed certificate", "ca.crt"},
		"cut off":                {certificate[:99], brokenBlock, "-----END"},
		"DATA+OMITTED":           {omitted(t), "it was left out when the kubeconfig was printed", "kubectl config view --raw --minify --flatten"},
		"DATA+OMITTED as text":   {[]byte("DATA+OMITTED"), "it was left out when the kubeconfig was printed", "--raw"},
		"REDACTED":               {[]byte("REDACTED\n"), "it was left out when the kubeconfig was printed", "--raw"},
		"empty":                  {[]byte(" \n"), "it is empty", "kubectl config view"},
		"DER":                    {block.Bytes, "it is DER, and not PEM", "openssl x509 -inform der"},
		"line breaks lost":       {oneLine, "its line breaks are lost", "printf '%s'"},
		`written \n`:             {bytes.ReplaceAll(certificate, []byte("\n"), []byte(`\n`)), `its line breaks are written as \n`, "printf '%b'"},
		"base64 of base64":       {[]byte(base64.StdEncoding.EncodeToString(certificate)), "it is base64 of base64", "encode it once"},
		"a path":                 {[]byte("/etc/kubernetes/pki/ca.crt"), "it is a path, in a field for content", "`certificate-authority`"},
		"a path of Windows":      {[]byte(`C:\ca.crt`), "it is a path, in a field for content", "`certificate-authority`"},
		"UTF-16":                 {[]byte("\xff\xfe-\x00-\x00"), "it is UTF-16", "Set-Content -Encoding ascii"},
		"a key":                  {pkcs8(t, newKey(t)), "it is a private key, and not a certificate", "give the certificate"},
		"a request":              {pemOf("CERTIFICATE REQUEST", []byte("x")), "it is a certificate request", "made from it"},
		"OpenSSL's own":          {pemOf("TRUSTED CERTIFICATE", []byte("x")), "it is a certificate in OpenSSL's own form", "openssl x509"},
		"PKCS#7":                 {pemOf("PKCS7", []byte("x")), "it is PKCS#7", "openssl pkcs7 -print_certs"},
		"a public key":           {pemOf("PUBLIC KEY", []byte("x")), "it is a public key", "give the certificate"},
		"words":                  {[]byte("sesame"), "there is no PEM certificate in it", "kubectl config view"},
		"another kind of a file": {pemOf("SESAME", []byte("x")), "there is no PEM certificate in it", "kubectl config view"},
	} {
		_, err := Read(c.given)
		got := reason(t, err)
		cause, remedy, _ := strings.Cut(got, "\n")
		if !strings.HasPrefix(cause, c.cause) || !strings.Contains(remedy, c.remedy) || strings.Contains(got, "sesame") {
			t.Errorf("%s: %s", name, got)
		}
		if x509.NewCertPool().AppendCertsFromPEM(c.given) {
			t.Errorf("%s: kubectl would use it", name)
		}
	}
}

func TestCheckPair_NamesEachFault(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	certificate, private := newCertificate(t, key), pkcs8(t, key)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	legacy := pem.EncodeToMemory(&pem.Block{
		Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("sesame"),
	})
	for name, c := range map[string]struct {
		certificate, key []byte
		cause, remedy    string
	}{
		"no key":                {certificate, nil, "its client-certificate has no client-key", "client-key-data"},
		"no certificate":        {nil, private, "its client-key has no client-certificate", "client-certificate-data"},
		"another's key":         {certificate, pkcs8(t, newKey(t)), "its client-key is the key of another certificate", "openssl pkey"},
		"a key of another":      {certificate, pkcs8(t, rsaKey), "its client-key is the key of another certificate", "openssl pkey"},
		"encrypted":             {certificate, pemOf("ENCRYPTED PRIVATE KEY", []byte("sesame")), "its client-key is encrypted", "openssl pkey -in client.key -out"},
		"encrypted, old":        {certificate, legacy, "its client-key is encrypted", "openssl pkey -in client.key -out"},
		"OpenSSH's":             {certificate, pemOf("OPENSSH PRIVATE KEY", []byte("sesame")), "its client-key is a key of OpenSSH", "ssh-keygen"},
		"swapped":               {private, certificate, "its client-certificate is a key, and its client-key a certificate", "swap"},
		"omitted":               {omitted(t), omitted(t), "its client-certificate or client-key was left out when", "--raw"},
		"the key omitted":       {certificate, []byte("REDACTED"), "its client-certificate or client-key was left out when", "--raw"},
		"the certificate twice": {certificate, certificate, "its client-key cannot be used: it is a certificate, and not a private key", "kubectl config view"},
		"the key twice":         {private, private, "its client-certificate cannot be used: it is a private key", "give the certificate"},
		"a path":                {certificate, []byte("/tmp/sesame"), "its client-key cannot be used: it is a path", "`client-key`"},
		"breaks lost":           {certificate, bytes.ReplaceAll(bytes.TrimSpace(private), []byte("\n"), []byte(" ")), "its client-key cannot be used: its line breaks are lost", "printf"},
		"base64 of base64":      {[]byte(base64.StdEncoding.EncodeToString(certificate)), private, "its client-certificate cannot be used: it is base64 of base64", "once"},
		"a public key":          {certificate, pemOf("PUBLIC KEY", []byte("x")), "its client-key cannot be used: it is a public key", "give the private key"},
		"negative serial":       {negative(t), private, "its client-certificate cannot be read: x509: negative serial number", "kubectl config view"},
		"not ASN.1":             {certificate, pemOf("PRIVATE KEY", []byte("sesame")), "its client-certificate and client-key are not a PEM pair", "kubectl config view"},
	} {
		_, err := CheckPair(c.certificate, c.key)
		got := reason(t, err)
		cause, remedy, _ := strings.Cut(got, "\n")
		if !strings.HasPrefix(cause, c.cause) || !strings.Contains(remedy, c.remedy) || strings.Contains(got, "sesame") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if leaf, err := CheckPair(certificate, private); err != nil || leaf.SerialNumber.Int64() != 1 {
		t.Error("a pair is refused", err)
	}
}

// However many certificates of a bundle are broken, and whatever they say, the log has a few short lines.
func TestWarnings_AreFewAndShort(t *testing.T) {
	t.Parallel()
	b := &Bundle{Skipped: make([]string, 28000)}
	if got := b.Warnings("cluster x"); len(got) != 6 || got[5] != "cluster x: so are 27995 more" {
		t.Errorf("%d: %s", len(got), got[len(got)-1])
	}
	if got := parseFault(errors.New("x509: cannot parse URI " + strings.Repeat("a", 1<<20))); len(got) > 200 {
		t.Errorf("%d bytes", len(got))
	}
}
