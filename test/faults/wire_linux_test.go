package faults

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// mostMemory is far above what a run takes, and far below what a bomb unpacks to, in KiB.
const mostMemory = 700 << 10

// An answer of 1 MiB that unpacks to 1 GiB ends the run with an error that says so, whether all answers are such ones, as an
// error too, or the one that has the token. The process never holds it.
func TestAnswersThatUnpackWithoutEnd(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for range 1 << 10 {
		_, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20))
	}
	_ = w.Close()
	var values bytes.Buffer // a list of 60 MiB whose items would take gigabytes
	w = gzip.NewWriter(&values)
	_, _ = w.Write([]byte(`{"kind":"List","apiVersion":"v1","items":[`))
	for range 60 {
		_, _ = w.Write(bytes.Repeat([]byte(`{},`), 1<<20/3))
	}
	_, _ = w.Write([]byte(`{}]}`))
	_ = w.Close()
	for name, c := range map[string]struct {
		code  int
		where string
		args  []string
		exit  int
	}{
		"all of a mint": {200, "", nil, 3}, "as server errors": {500, "", nil, 3}, "as refusals": {403, "", nil, 3}, "of a plan": {200, "", []string{"plan"}, 3},
		"that with the token": {201, "/token", nil, 3}, "that of the lease": {201, "/leases", nil, 3}, "the proof": {201, "/selfsubjectrulesreviews", nil, 3},
		"small values of discovery": {200, "/apis", nil, 3},
		"small values":              {200, "/roles", nil, 3}, "small values in a list of leases": {200, "/leases", []string{"sweep"}, 7},
		"of a sweep": {200, "", []string{"sweep"}, 7}, "of discovery": {200, "/apis", nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := harness.NewJob(t, cluster, false)
			proxy := kubetest.NewProxy(t, cluster, func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
				if !strings.HasSuffix(r.URL.Path, c.where) || r.Method == http.MethodDelete {
					next.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Content-Encoding", "gzip")
				w.WriteHeader(c.code)
				if strings.HasPrefix(name, "small values") {
					_, _ = w.Write(values.Bytes())
					return
				}
				_, _ = w.Write(packed.Bytes())
			})
			source, err := proxy.Kubeconfig(l.Admin)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "source"), source, 0o600); err != nil {
				t.Fatal(err)
			}
			env := []string{"KUBECONFIG=source", "KUBEMINT_NAMESPACE=" + strings.Join(l.Namespaces[:], ","), "KUBEMINT_SERVICE_ACCOUNT=bomb", "KUBEMINT_RULES=list pods,widgets.example.com"}
			command, stderr := harness.Command(t, dir, env, c.args...)
			peak := harness.RunWatchingMemory(t, command)
			if code := command.ProcessState.ExitCode(); code != c.exit {
				t.Errorf("exit code %d, not %d: %s", code, c.exit, stderr)
			}
			harness.AssertSays(t, stderr.String(), `^error: .*: the answer is larger than (64 MiB when it is unpacked|1048576 values), and is not read any further$`,
				`^hint: see what answers at https://127\.0\.0\.1:\d+: `)
			if peak == 0 || peak > mostMemory {
				t.Errorf("it took %d MiB", peak>>10)
			} else {
				t.Logf("it took %d MiB", peak>>10)
			}
			if _, err := os.Stat(filepath.Join(dir, "kubemint.kubeconfig")); !os.IsNotExist(err) {
				t.Errorf("a kubeconfig is left: %v", err)
			}
			if left := leasesOf(t, l, "bomb"); left > 0 {
				t.Errorf("%d leases are left: %s", left, stderr)
			}
		})
	}
}
