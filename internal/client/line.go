package client

import (
	"context"
	"net/http/httptrace"
	"sync"
)

// line has the requests of a client wait until the first one has its connection, which HTTP/2 then
// lets all of them share: net/http would dial one for each, and every TLS handshake costs both
// sides more than a request does.
type line struct {
	once sync.Once
	open chan struct{}
}

// join waits, or marks the request that the others wait for. passed has to be called when that one
// has ended.
func (l *line) join(ctx context.Context) (traced context.Context, passed func()) {
	first := false
	l.once.Do(func() { first = true })
	if !first {
		select {
		case <-l.open:
		case <-ctx.Done():
		}
		return ctx, func() {}
	}
	passed = sync.OnceFunc(func() { close(l.open) })
	return httptrace.WithClientTrace(
		ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { passed() }},
	), passed
}
