package parallel_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kubemint/kubemint/internal/parallel"
)

func TestEachJoinsEveryErrorInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var running, most, ran atomic.Int32
		err := parallel.Each(200, func(i int) error {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			ran.Add(1)
			time.Sleep(time.Duration(200-i) * time.Millisecond) // the last ends first
			if i%50 == 7 {
				return fmt.Errorf("error %d", i)
			}
			return nil
		})
		if got, want := fmt.Sprint(err), "error 7\nerror 57\nerror 107\nerror 157"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if ran.Load() != 200 || most.Load() != 64 {
			t.Errorf("ran %d, %d at a time", ran.Load(), most.Load())
		}
	})
	if err := parallel.Each(0, func(int) error { return errors.New("never") }); err != nil {
		t.Error(err)
	}
}
