package mint

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kubemint/kubemint/internal/client/connect"
	"github.com/kubemint/kubemint/internal/client/trace"
	"github.com/kubemint/kubemint/internal/config"
	"github.com/kubemint/kubemint/internal/console"
	"github.com/kubemint/kubemint/internal/kubeconfig"
	"github.com/kubemint/kubemint/internal/mint/deliver"
	"github.com/kubemint/kubemint/internal/output/receipt"
	"github.com/kubemint/kubemint/internal/owner"
	"github.com/kubemint/kubemint/internal/secret"
	"github.com/kubemint/kubemint/test/kubetest"
)

func TestMain(m *testing.M) { kubetest.Main(m) }

// world is an API server and the job of a run on it.
type world struct {
	*kubetest.Fake
	job Job
	to  destination
	log *kubetest.Lines
}

// newWorld has an API server with one namespace, shop, and a job that declares `get pods` there for
// ServiceAccount ci.
func newWorld(t *testing.T, change func(*config.Access, *owner.Marks)) *world {
	t.Helper()
	w := &world{Fake: kubetest.StartFake(t, noon, "shop"), log: &kubetest.Lines{}}
	w.job = newJob(nil, change)
	w.job.Log = console.New(w.log)
	w.job.Config.Result.Timeout = time.Minute
	w.job.Until = time.Now().Add(20 * time.Second) // a run that waits for somebody fails, and does not hang
	w.job.Mask = func(secret.Value) error { return nil }
	w.job.Written = kubeconfig.Config{Name: "ci@test", Namespace: "shop", Cluster: kubeconfig.Cluster{Server: w.URL, CAData: w.CA}}
	dialer := connect.Dialer{UserAgent: "test", Trace: &trace.Trace{Log: w.job.Log}}
	server, err := dialer.Client(w.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	w.job.Server = server
	w.dial(t, dialer)
	w.to = destination{Directory: deliver.Directory{Dir: t.TempDir()}}
	return w
}

// dial prepares the connections of the next credential: a run closes those that it has.
func (w *world) dial(t *testing.T, dialer connect.Dialer) {
	t.Helper()
	verifier, err := dialer.Verifier(w.job.Written)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(verifier.Close)
	w.job.Verifier = verifier
}

func (w *world) record() *receipt.Receipt {
	return &receipt.Receipt{Server: w.URL, Made: receipt.Made{Output: w.to.Path()}, Account: object("ServiceAccount", "ci", "")}
}

func (w *world) run(ctx context.Context) (*Credential, error) {
	return Run(ctx, w.job, w.to, w.record())
}

// mustRun runs what the test only needs as its beginning.
func (w *world) mustRun(t *testing.T) *Credential {
	t.Helper()
	made, err := w.run(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, w.log)
	}
	return made
}

// nextRun prepares another run of the same job, with an output of its own.
func (w *world) nextRun(t *testing.T) *world {
	t.Helper()
	next := *w
	next.to = destination{Directory: deliver.Directory{Dir: t.TempDir()}}
	next.dial(t, connect.Dialer{UserAgent: "test", Trace: &trace.Trace{Log: w.job.Log}})
	return &next
}

// onFirst calls a function before the first request that has the prefix is carried out.
func (w *world) onFirst(prefix string, do func()) {
	var once sync.Once
	w.Intercept(func(asked string) error {
		if strings.HasPrefix(asked, prefix) {
			once.Do(do)
		}
		return nil
	})
}

func lastAt(asked []string, prefix string) int {
	for i, one := range slices.Backward(asked) {
		if strings.HasPrefix(one, prefix) {
			return i
		}
	}
	return -1
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
