//go:build bench

package bench

import (
	"net"
	"strings"
	"testing"
	"time"
)

// chunk holds bytes that were read, and the time when they are to arrive.
type chunk struct {
	due  time.Time
	data []byte
}

// relay is a proxy in front of a server that adds a round trip: half of it to each way, and a whole one before a
// connection's first byte, since on loopback the connection itself is made in no time. It returns its address.
func relay(t *testing.T, server string, roundTrip time.Duration) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				upstream, err := net.Dial("tcp", strings.TrimPrefix(server, "https://"))
				if err != nil {
					_ = client.Close()
					return
				}
				go carry(upstream, client, roundTrip/2, roundTrip)
				carry(client, upstream, roundTrip/2, 0)
			}()
		}
	}()
	return listener.Addr().String()
}

// carry delays what it reads; first is added to the first chunk.
func carry(to, from net.Conn, delay, first time.Duration) {
	chunks := make(chan chunk, 1024)
	go func() {
		for c := range chunks {
			time.Sleep(time.Until(c.due))
			_, _ = to.Write(c.data)
		}
		_ = to.Close()
	}()
	for {
		data := make([]byte, 64<<10)
		n, err := from.Read(data)
		if n > 0 {
			chunks <- chunk{time.Now().Add(delay + first), data[:n]}
			first = 0
		}
		if err != nil {
			close(chunks)
			return
		}
	}
}
