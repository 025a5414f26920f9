package lifecycle

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kubemint/kubemint/test/harness"
)

// zone writes a time zone in which the clocks are moved once, at that moment, between two offsets from UTC: RFC 9636, version 1.
func zone(t *testing.T, at time.Time, before, after time.Duration) (path string) {
	t.Helper()
	var file bytes.Buffer
	write := func(values ...any) {
		for _, value := range values {
			if err := binary.Write(&file, binary.BigEndian, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	write([]byte("TZif"), [16]byte{}, [6]int32{0, 0, 0, 1, 2, 8}) // one transition, two types, 8 characters
	write(int32(at.Unix()), uint8(1))
	write(int32(before.Seconds()), uint8(0), uint8(0), int32(after.Seconds()), uint8(1), uint8(4))
	write([]byte("OLD\x00NEW\x00"))
	path = filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// timeSaid is a time that the program prints, with what stands behind it.
var timeSaid = regexp.MustCompile(`20\d\d-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:Z| UTC)?`)

// Daylight saving time: the token expires in an hour that the runner's zone skips, or has twice, or at the other end of the date
// line. Every time is in UTC and says so, and what expires is not taken for something else.
func TestTimeZones(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	soon := time.Now().Add(50 * time.Minute)
	for name, path := range map[string]string{
		"spring": zone(t, soon, time.Hour, 2*time.Hour), "autumn": zone(t, soon, 2*time.Hour, time.Hour),
		"skipped-day": zone(t, soon, -10*time.Hour, 14*time.Hour), "half": zone(t, time.Now(), 5*time.Hour+30*time.Minute, 0),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := harness.NewJob(t, cluster, false) // a sweep looks at all of its namespace
			v := l.NewRun(t, name, 0, false)
			summary := filepath.Join(t.TempDir(), "summary")
			v.Env = append(v.Env, "TZ="+path, "KUBEMINT_DEBUG=true", "KUBEMINT_OUTPUT=kubemint.kubeconfig")
			harness.RunProgram(t, v.Dir, v.Env)
			_, end := readMinted(t, v)
			if have := time.Until(end) - time.Hour; have.Abs() > far {
				t.Errorf("a token of 1h expires %s", end)
			}
			for path, said := range expiriesOf(t, v) {
				if at, err := time.Parse(time.RFC3339, said); err != nil || at.Sub(end).Abs() > far {
					t.Errorf("%s says that it expires at %q, and the token expires %s", path, said, end)
				}
			}
			command, stderr := harness.Command(t, v.Dir, append(githubFiles(t, v.Dir, summary), append(v.Env, "KUBEMINT_TAKE_OWNERSHIP=true")...))
			if err := command.Run(); err != nil {
				t.Fatal(stderr)
			}
			said := stderr.String()
			for _, file := range []string{summary, harness.ReceiptIn(v.Dir, "kubemint.kubeconfig")} {
				content, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				said += string(content)
			}
			times := timeSaid.FindAllString(said, -1)
			for _, at := range times {
				if !strings.HasSuffix(at, "Z") && !strings.HasSuffix(at, " UTC") {
					t.Errorf("a time without its zone: %s", at)
				}
			}
			if len(times) < 3 {
				t.Errorf("it names no more times than %q:\n%s", times, said)
			}
			command, stderr = harness.Command(t, v.Dir, v.Env, "sweep")
			if err := command.Run(); err != nil {
				t.Error(err)
			}
			harness.AssertSays(t, stderr.String(), `^swept: 0 objects deleted in namespace `)
			harness.RunProgram(t, v.Dir, v.Env, "revoke")
			v.AssertNothingLeft(t)
		})
	}
}

// githubFiles are the variables of a step on GitHub's runner without Docker.
func githubFiles(t *testing.T, dir, summary string) []string {
	t.Helper()
	env := []string{"GITHUB_ACTIONS=true", "GITHUB_WORKSPACE=" + dir, "GITHUB_STEP_SUMMARY=" + summary}
	for _, name := range []string{"OUTPUT", "ENV", "STATE"} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		env = append(env, "GITHUB_"+name+"="+path)
	}
	return env
}

// An API server that says of a token that its time is over already is not believed: the token is not used, and nothing stays.
func TestExpiryInThePast(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	v := &harness.Run{}
	l.RouteThrough(t, v, "past", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		l.KeepToken(r, answer)
		if strings.HasSuffix(r.URL.Path, "/token") {
			answer = expiring(t, answer, -time.Hour)
		}
		harness.Deliver(w, answer)
	})
	for _, shortened := range []string{"warn", "fail"} {
		command, stderr := harness.Command(t, v.Dir, append([]string{"KUBEMINT_ON_SHORTENED=" + shortened}, v.Env...))
		_ = command.Run()
		if code := command.ProcessState.ExitCode(); code != 5 {
			t.Errorf("%s: exit code %d: %s", shortened, code, stderr)
		}
		harness.AssertSays(t, stderr.String(), `^error: mint token: the token expires at \S+Z, before it was issued$`,
			"^hint: it is not used: see what answers in the API server's place")
		v.AssertNothingLeft(t)
	}
}

// To a runner whose clock is a day behind, a certificate that was made today is of tomorrow; to one that is ahead of it, a
// certificate is of yesterday. The clock is the first thing to look at.
func TestCertificateOfAnotherDay(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]time.Duration{"of tomorrow": 24 * time.Hour, "of yesterday": -48 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			template := &x509.Certificate{
				SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(from + 24*time.Hour),
				IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			}
			certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
			server.Config.ErrorLog = log.New(io.Discard, "", 0) // a handshake that fails
			server.StartTLS()
			defer server.Close()
			authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
			source, err := json.Marshal(map[string]any{
				"apiVersion": "v1", "kind": "Config", "current-context": "c",
				"contexts": []any{map[string]any{"name": "c", "context": map[string]any{"cluster": "c", "user": "u"}}},
				"clusters": []any{map[string]any{"name": "c", "cluster": map[string]any{"server": server.URL, "certificate-authority-data": authority}}},
				"users":    []any{map[string]any{"name": "u", "user": map[string]any{"token": "canary"}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			said := harness.RunAs(t, dir, source, []string{"KUBEMINT_NAMESPACE=shop"}, 3)
			harness.AssertSays(t, said, fmt.Sprintf(`^error: .*: the certificate of %s is not valid now: x509: certificate has expired or is not yet valid: current time \S+Z is `,
				regexp.QuoteMeta(server.URL)), `^hint: see whether this machine's clock is right; if it is, the certificate has to be renewed$`)
			harness.AssertOnlySource(t, dir)
		})
	}
}
