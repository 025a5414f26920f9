// Command kubemint gives a pipeline a cluster credential that is scoped, short-lived, proven to work, and dead when the
// job ends. README.md says how to use it, docs/architecture.md how it is built.
package main

import (
	"context"
	"io"
	"log"
	"math"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/kubemint/kubemint/internal/app"
	"github.com/kubemint/kubemint/internal/problem"
)

// version is set by the linker at release.
var version = "devel"

// memory is what the garbage collector keeps the program below, where what is in use allows it: with a thousand namespaces
// it would let dead answers of the API server pile up to the size of all that is in use. The code comes on top, some
// 10 MiB, so that the peak of such a run stays below 64 MiB.
const memory = 40 << 20

func main() {
	log.SetOutput(io.Discard) // net/http's word on the wire, which with GODEBUG=http2debug=2 is every header, credentials included
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	// What reads our output may end before us (| head): then a write fails, and nothing that was made stays behind.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		// A second signal changes nothing: taking back what was made is bounded, and must not be cut short.
		s := (<-signals).(syscall.Signal) //nolint:errcheck,forcetypeassert // os/signal sends nothing else
		cancel(problem.Interrupted{Signal: s, Number: int(s)})
	}()
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // GOMEMLIMIT, if somebody has set it, stands
		debug.SetMemoryLimit(memory)
		debug.SetGCPercent(-1) // below it a run is over before a collection would pay
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = "."
	}
	os.Exit(app.Main(ctx, app.Process{
		Args: os.Args, Environ: os.Environ(), Dir: dir, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Version: version,
	}))
}
