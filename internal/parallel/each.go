package parallel

import (
	"errors"
	"sync"
)

// atOnce bounds the calls in flight; an API server's HTTP/2 connection carries 100 streams or more.
const atOnce = 64

// Each calls f for 0 to n-1 concurrently, at most 64 at a time, and returns every error, joined in
// order: one failure hides no other.
func Each(n int, f func(i int) error) error {
	errs := make([]error, n)
	slots := make(chan struct{}, atOnce)
	var group sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			errs[i] = f(i)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
