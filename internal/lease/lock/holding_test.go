package lock_test

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
	"github.com/kubemint/kubemint/internal/lease/lock"
)

func TestHolding(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	const later, earlier = "2026-01-01T11:58:01Z", "2026-01-01T11:57:59Z" // the token outlives its expiry
	lease := func(name string, pairs ...string) kube.Object {
		marks := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			marks[pairs[i]] = pairs[i+1]
		}
		return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: marks}}
	}
	for name, tt := range map[string]struct {
		lease kube.Object
		want  bool
	}{
		"live, of other access":     {lease("kubemint-ci-aaaaaaaaaa", "kubemint/expires-at", later, "kubemint/access", "b"), true},
		"live, of the same access":  {lease("kubemint-ci-aaaaaaaaaa", "kubemint/expires-at", later, "kubemint/access", "a"), false},
		"live, of unknown access":   {lease("kubemint-ci-aaaaaaaaaa", "kubemint/expires-at", later), true},
		"live, declared nothing":    {lease("kubemint-ci-aaaaaaaaaa", "kubemint/expires-at", later, "kubemint/access", access.Undeclared), false},
		"over":                      {lease("kubemint-ci-aaaaaaaaaa", "kubemint/expires-at", earlier, "kubemint/access", "b"), false},
		"over, of unknown access":   {lease("kubemint-ci-aaaaaaaaaa", "kubemint/expires-at", earlier), false},
		"an expiry that is no time": {lease("kubemint-ci-aaaaaaaaaa", "kubemint/expires-at", "soon"), true},
		"an expiry that is empty":   {lease("kubemint-ci", "kubemint/expires-at", ""), true},
		"an expiry taken away":      {lease("kubemint-ci-aaaaaaaaaa"), true},
		"named as no credential is": {lease("kubemint-ci", "kubemint/access", "b"), false},
	} {
		if got := lock.SelectHolding([]kube.Object{tt.lease}, "a", now); (len(got) == 1) != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	same := lease("kubemint-ci-aaaaaaaaaa", "kubemint/expires-at", later)
	if len(lock.SelectHolding([]kube.Object{same}, "", now)) != 1 {
		t.Error("where nothing is known, a lease without a hash is not the same")
	}
}
