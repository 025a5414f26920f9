package lock

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// KeepRenewed renews the lock until it is given back. The context that it returns ends with
// [ErrLost] when the lock is lost.
func (l *Lock) KeepRenewed(ctx context.Context) context.Context {
	ctx, lose := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.renewUntilLost(ctx, lose)
	}()
	l.stop = sync.OnceFunc(func() {
		lose(context.Canceled)
		<-done
	})
	return ctx
}

func (l *Lock) renewUntilLost(ctx context.Context, lose context.CancelCauseFunc) {
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(renewEvery):
		}
		limited, cancel := context.WithDeadline(ctx, last.Add(lostAfter))
		sent := time.Now()
		err := l.replaceLease(limited, l.opts.Holder, l.InEffect())
		if apierrors.IsConflict(err) && l.Read(limited) == nil &&
			holderOf(l.lastSeen()) == l.opts.Holder {
			// somebody changed a label, and no more
			err = l.replaceLease(limited, l.opts.Holder, l.InEffect())
		}
		cancel()
		switch {
		case err == nil:
			last = sent
		case ctx.Err() != nil:
			return
		case apierrors.IsConflict(err), time.Since(last) > lostAfter-renewEvery:
			l.setHeld(false)
			l.mu.Lock()
			l.lost = true
			l.mu.Unlock()
			lose(ErrLost)
			return
		}
	}
}
