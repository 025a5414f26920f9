package lifecycle

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// atOnce is how many runs of a kind are killed at a time: a small machine is busy with that.
const atOnce = 3

// everywhere calls f for each request of a run, before the API server has it and after it was carried out.
func everywhere(t *testing.T, l *harness.Job, f func(at int, answered bool)) {
	t.Helper()
	requests := l.CountRequests(t)
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for at := 1; at <= requests; at++ {
		for _, answered := range []bool{false, true} {
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				f(at, answered)
			})
		}
	}
	all.Wait()
}

// A run that is interrupted takes back what it made, wherever the signal meets it.
func TestInterruptedRunLeavesNothingAlive(t *testing.T) {
	t.Parallel()
	for name, ephemeral := range map[string]bool{"shared identity": false, "ephemeral identity": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, _ := harness.NewNamespace(t)
			l := harness.NewJob(t, cluster, ephemeral)
			var complete atomic.Int32
			everywhere(t, l, func(at int, answered bool) {
				v := l.NewRun(t, fmt.Sprintf("term-%d-%t", at, answered), at, answered)
				code, said := v.RunUntilKilled(t, syscall.SIGTERM)
				if code == 0 { // nothing waits for the first, which only opens a connection; and not every run sends the last
					complete.Add(1)
					harness.RunProgram(t, v.Dir, v.Env, "revoke")
				} else if code != 143 {
					t.Errorf("%s: exit code %d: %s", v.Account, code, said)
				}
				if code != 0 && (strings.Contains(said, "may live on") || !strings.Contains(said, "interrupted by terminated")) {
					t.Errorf("%s: it says:\n%s", v.Account, said)
				}
				v.AssertNothingLeft(t)
			})
			if runs := complete.Load(); runs > 6 {
				t.Errorf("%d runs were complete before the signal met them", runs)
			}
			l.AssertAllDead(t)
		})
	}
}

// What a run left that was killed without notice, revoke deletes by the receipt.
func TestKilledRunIsRevokedByItsReceipt(t *testing.T) {
	t.Parallel()
	for name, ephemeral := range map[string]bool{"shared identity": false, "ephemeral identity": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, _ := harness.NewNamespace(t)
			l := harness.NewJob(t, cluster, ephemeral)
			everywhere(t, l, func(at int, answered bool) {
				v := l.NewRun(t, fmt.Sprintf("kill-%d-%t", at, answered), at, answered)
				v.RunUntilKilled(t, syscall.SIGKILL)
				harness.RunProgram(t, v.Dir, v.Env, "revoke")
				v.AssertNothingLeft(t)
			})
			l.AssertAllDead(t)
		})
	}
}

// Where the receipt is lost as well, sweep deletes it after its expiry: here all that was left at every request at once.
// Nothing that still lives goes with it.
func killedRunIsSwept(t *testing.T, cluster *kubetest.ControlPlane) {
	t.Helper()
	l := harness.NewJob(t, cluster, true)
	live := l.NewRun(t, "live", 0, false)
	harness.RunProgram(t, live.Dir, live.Env)
	var mu sync.Mutex
	var victims []*harness.Run
	left := 0
	everywhere(t, l, func(at int, answered bool) {
		v := l.NewRun(t, fmt.Sprintf("lost-%d-%t", at, answered), at, answered)
		v.RunUntilKilled(t, syscall.SIGKILL)
		if err := errors.Join(os.RemoveAll(v.Dir), os.Mkdir(v.Dir, 0o700)); err != nil {
			t.Error(err)
		}
		past := map[string]any{"metadata": map[string]any{"annotations": map[string]string{"kubemint/expires-at": "2020-01-01T00:00:00Z"}}}
		objects := v.FindObjects(t)
		for _, path := range objects {
			if err := cluster.Admin.Do(t.Context(), http.MethodPatch, path, past, nil); err != nil {
				t.Error(err)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		victims = append(victims, v)
		left += len(objects)
	})
	if left < 3*len(victims) {
		t.Errorf("%d killed runs left %d objects only", len(victims), left)
	}
	harness.RunProgram(t, t.TempDir(), live.Env, "sweep", "--all-namespaces")
	for _, v := range victims {
		v.AssertNothingLeft(t)
	}
	minted, err := os.ReadFile(filepath.Join(live.Dir, "kubemint.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubetest.NewClient(minted)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Do(t.Context(), http.MethodGet, "/api/v1/namespaces/"+l.Namespaces[1]+"/pods", nil, nil); err != nil {
		t.Errorf("sweep has ended a credential that is not expired: %v", err)
	}
	harness.RunProgram(t, live.Dir, live.Env, "revoke")
	l.AssertAllDead(t)
}
