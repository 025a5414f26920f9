package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubemint/kubemint/internal/access"
	"github.com/kubemint/kubemint/internal/kube"
)

// isLock says whether a Lease is the lock of the account that its label names, and not that of a credential.
func isLock(o metav1.PartialObjectMetadata) bool {
	account, ours := strings.CutPrefix(o.Labels[kube.LabelServiceAccount], o.Namespace+".")
	return ours && o.Name == access.LockName(account)
}

// The Secret's creation can take longer than the lock is held in silence: the lock is renewed from the moment it is taken.
func TestLockIsRenewedWhileTheSecretIsMade(t *testing.T) {
	t.Parallel()
	cluster, _ := sharedCluster(t)
	l := newLife(t, cluster, false)
	v := &victim{}
	var writes atomic.Int32
	renewed := make(chan struct{})
	l.through(t, v, "slowly", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/secrets") {
			select {
			case <-renewed:
			case <-time.After(40 * time.Second): // it is renewed every 15 s
				t.Error("the lock is not renewed")
			}
		}
		deliver(w, v.carriedOut(r, next))
		if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/leases/"+access.LockName("slowly")) && writes.Add(1) == 2 {
			close(renewed)
		}
	})
	v.mint(t, 0)
}
