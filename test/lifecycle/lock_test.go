package lifecycle

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kubemint/kubemint/internal/lease/lock"
	"github.com/kubemint/kubemint/test/harness"
)

// The Secret's creation can take longer than the lock is held in silence: the lock is renewed from the moment it is taken.
func TestLockIsRenewedWhileTheSecretIsMade(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.NewNamespace(t)
	l := harness.NewJob(t, cluster, false)
	v := &harness.Run{}
	var writes atomic.Int32
	renewed := make(chan struct{})
	l.RouteThrough(t, v, "slowly", func(_ int, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/secrets") {
			select {
			case <-renewed:
			case <-time.After(40 * time.Second): // it is renewed every 15 s
				t.Error("the lock is not renewed")
			}
		}
		harness.Deliver(w, v.CarryOut(r, next))
		if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/leases/"+lock.NameOf("slowly")) && writes.Add(1) == 2 {
			close(renewed)
		}
	})
	mintExpecting(t, v, 0)
}
