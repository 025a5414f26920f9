package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubemint/kubemint/internal/command/session"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/test/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// world is an API server and a step of a job that declares `get pods` in namespace shop.
type world struct {
	*kubetest.Fake
	root           string
	env            []string
	stdout, stderr *kubetest.Lines
	change         func(*session.Process)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		Fake: kubetest.StartFake(t, time.Now().Truncate(time.Second), "shop"), root: root,
		change: func(*session.Process) {},
	}
	for _, dir := range []string{"home", "out", "checkout", "private"} {
		if err := os.Mkdir(w.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.write(t, "home/source", string(w.Kubeconfig()))
	w.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.path("home"), "KUBECONFIG=" + w.path("home/source"),
		"KUBEMINT_NAMESPACE=shop", "KUBEMINT_SERVICE_ACCOUNT=ci", "KUBEMINT_RULES=get pods",
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.root, name) }

func (w *world) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(w.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *world) exists(name string) bool {
	_, err := os.Lstat(w.path(name))
	return err == nil
}

// run runs a command line with these variables besides the step's, and returns its exit code.
func (w *world) run(t *testing.T, line string, env ...string) int {
	t.Helper()
	return w.runArgs(t, strings.Fields(line), env...)
}

func (w *world) runArgs(t *testing.T, args []string, env ...string) int {
	t.Helper()
	w.stdout = &kubetest.Lines{}
	w.stderr = &kubetest.Lines{}
	p := Process{
		Args: append([]string{"kubemint"}, args...), Environ: append(slices.Clip(w.env), env...),
		Dir: w.path("checkout"), Streams: session.Streams{Stdin: strings.NewReader(""), Stdout: w.stdout, Stderr: w.stderr}, Version: "test",
		ForTests: session.ForTests{AccountDir: w.path("no-pod"), PrivateDir: w.path("private")},
	}
	w.change(&p)
	return Main(t.Context(), p)
}

// mustRun runs what the test only needs as its beginning.
func (w *world) mustRun(t *testing.T, line string, env ...string) {
	t.Helper()
	if code := w.run(t, line, env...); code != 0 {
		t.Fatalf("%s: %d\n%s", line, code, w.stderr)
	}
}

// wantLog asserts that the log of the last run has these texts.
func (w *world) wantLog(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(w.stderr.String(), text) {
			t.Errorf("%q is not in\n%s", text, w.stderr)
		}
	}
}

// credentials are the leases and their Secrets that there are, without the lock.
func (w *world) credentials() (left []string) {
	for _, o := range w.Objects() {
		if strings.HasSuffix(o, "…") || strings.HasPrefix(o, "secrets ") {
			left = append(left, o)
		}
	}
	return left
}

// readReceipt is the receipt of the output out/kc.
func (w *world) readReceipt(t *testing.T) *receipt.Receipt {
	t.Helper()
	data, err := os.ReadFile(receipt.Path(w.path("out/kc")))
	if err != nil {
		t.Fatal(err)
	}
	record := &receipt.Receipt{}
	if err := json.Unmarshal(data, record); err != nil {
		t.Fatal(err)
	}
	return record
}
