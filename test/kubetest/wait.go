package kubetest

import (
	"context"
	"sync"
)

// OnWait is a context that calls a function when somebody begins to wait for its end.
type OnWait struct {
	context.Context

	Do   func()
	once sync.Once
}

// Done is the context's own.
func (c *OnWait) Done() <-chan struct{} {
	c.once.Do(c.Do)
	return c.Context.Done()
}
