package faults

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kubemint/kubemint/test/harness"
)

// The same of sweep: it deletes what has expired, and nothing else.
func TestFaultsOfSweep(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	// It looks through whole namespaces: each trial has some to itself.
	walks := make(chan *faultWalk, walkers)
	for range cap(walks) {
		walks <- &faultWalk{Job: harness.NewJob(t, cluster, true), args: []string{"sweep"}}
	}
	first := <-walks
	v, requests, from := first.listen(t, "whole")
	leaveLitter(t, v)
	from.Store(true)
	v.MustRun(t, "sweep")
	assertSwept(t, v)
	walks <- first
	if len(*requests) != 9 {
		t.Fatalf("a sweep sends %v", *requests)
	}
	number := &first.count.trials
	first.eachFault(*requests, func(tr *trial) {
		walk := <-walks
		defer func() { walks <- walk }()
		tr.set(t, walk, fmt.Sprintf("trial%d", number.Add(1)))
		leaveLitter(t, tr.Run)
		code, said := tr.meet(t)
		if code != 0 || strings.Contains(said, "note: ") {
			tr.MustRun(t, "sweep")
		}
		assertSwept(t, tr.Run)
	})
	sum := &faultWalk{}
	for range cap(walks) {
		c := &(<-walks).count
		sum.count.trials.Add(c.trials.Load())
		sum.count.met.Add(c.met.Load())
		sum.count.succeeded.Add(c.succeeded.Load())
		sum.count.failed.Add(c.failed.Load())
	}
	sum.report(t, *requests)
}

// leaveLitter makes the expired objects that a killed run of an ephemeral identity leaves, and a lease that is still
// current.
func leaveLitter(t *testing.T, v *harness.Run) {
	t.Helper()
	const rbac = "/apis/rbac.authorization.k8s.io/v1"
	for _, o := range []struct {
		path, name string
		expires    time.Duration
		more       map[string]any
	}{
		{"/apis/coordination.k8s.io/v1/namespaces/%s/leases", "kubemint-" + v.Account + "-expired", -time.Hour, nil},
		{"/apis/coordination.k8s.io/v1/namespaces/%s/leases", "kubemint-" + v.Account + "-current", time.Hour, nil},
		{"/api/v1/namespaces/%s/serviceaccounts", v.Account + "-expired", -time.Hour, nil},
		{rbac + "/namespaces/%s/roles", v.Account + "-expired", -time.Hour, nil},
		{rbac + "/namespaces/%s/rolebindings", v.Account + "-expired", -time.Hour, map[string]any{"roleRef": map[string]string{
			"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": v.Account + "-expired",
		}}},
	} {
		object := map[string]any{"metadata": map[string]any{
			"name": o.name, "labels": map[string]string{"app.kubernetes.io/managed-by": "kubemint"},
			"annotations": map[string]string{"kubemint/expires-at": time.Now().Add(o.expires).UTC().Format(time.RFC3339)},
		}}
		maps.Copy(object, o.more)
		if err := v.Cluster.Admin.Do(t.Context(), http.MethodPost, fmt.Sprintf(o.path, v.Namespaces[0]), object, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// assertSwept demands that what has expired is gone, and what is current is not; then that goes too.
func assertSwept(t *testing.T, v *harness.Run) {
	t.Helper()
	current := "/apis/coordination.k8s.io/v1/namespaces/" + v.Namespaces[0] + "/leases/kubemint-" + v.Account + "-current"
	if left := v.FindObjects(t); len(left) != 1 || left[0] != current {
		t.Errorf("%s: after the sweep there are %v", v.Account, left)
	}
	if err := v.Cluster.Admin.Do(t.Context(), http.MethodDelete, current, nil, nil); err != nil {
		t.Error(err)
	}
}
