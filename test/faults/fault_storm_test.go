package faults

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kubemint/kubemint/test/harness"
	"github.com/kubemint/kubemint/test/kubetest"
)

// Many faults in one run, where a seed says which: whatever they are together, nothing lives on unnamed, and the next run
// makes it all good.
func TestFaultStorms(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	seeds := uint64(8)
	if *everyFault {
		seeds = 200
	}
	// A stall or a permanent refusal ends most runs at once: a storm of those would test nothing.
	weather := slices.DeleteFunc(kubetest.Faults(), func(f kubetest.Fault) bool {
		return f.Stays || f.Refusal && f.Name != "409" || strings.HasPrefix(f.Name, "stalled")
	})
	walks := map[bool]*faultWalk{false: {Job: harness.NewJob(t, cluster, false)}, true: {Job: harness.NewJob(t, cluster, true)}}
	for _, walk := range walks {
		walk.requestsOf(t)
	}
	var all sync.WaitGroup
	var failed atomic.Int32
	for seed := range seeds {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			tr := &trial{walk: walks[seed%2 == 1], Run: &harness.Run{}, lasts: since}
			storm := kubetest.Storm(seed, 0.15, weather)
			tr.walk.RouteThrough(t, tr.Run, fmt.Sprintf("storm%d", seed), func(number int, w http.ResponseWriter, r *http.Request, next http.Handler) {
				recorded := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { harness.Deliver(w, tr.CarryOut(r, next)) })
				if tr.armed.Load() {
					storm(number, w, r, recorded)
				} else {
					recorded.ServeHTTP(w, r)
				}
			})
			tr.request.what = fmt.Sprintf("seed %d", seed)
			for _, args := range [][]string{nil, {"revoke"}} {
				revoke := args != nil
				tr.armed.Store(true)
				limit := &timeLimit{Context: t.Context(), over: make(chan struct{})}
				limit.in(20 * time.Second)
				code, said := tr.RunInProcess(t, limit, args...)
				tr.armed.Store(false)
				tr.secretsIn(t, said)
				switch {
				case code == 0 && !revoke:
					tr.succeeded(t)
				case code == 0:
					tr.AssertNothingLeft(t)
				case revoke && code != 7, !strings.Contains(said, "\nhint: "):
					t.Errorf("%s: exit code %d: %s", tr, code, said)
					fallthrough
				default:
					failed.Add(1)
					if !revoke {
						tr.failed(t, said, nil)
					}
					tr.MustRun(t, args...)
				}
			}
			tr.AssertNothingLeft(t)
			tr.deleteAccess(t)
		})
	}
	all.Wait()
	for _, walk := range walks {
		walk.AssertAllDead(t)
	}
	t.Logf("%d storms, %d runs in them failed, and the next run did not", seeds, failed.Load())
}
