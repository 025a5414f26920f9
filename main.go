// Command kubemint gives a pipeline a cluster credential that is scoped, short-lived, proven to work, and
// dead when the job ends. README.md says how to use it, docs/architecture.md how it is built.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/kubemint/kubemint/internal/command"
	"github.com/kubemint/kubemint/internal/command/process"
	"github.com/kubemint/kubemint/internal/problem"
)

// version is set by the linker at release.
var version = "devel"

func main() {
	log.SetOutput(io.Discard) // with GODEBUG=http2debug=2 net/http logs every header, credentials included
	klog.SetLogger(logr.Discard())
	environ, exposed := process.Conceal(process.Start{
		Args: os.Args, Environ: os.Environ(), Clearenv: os.Clearenv, Setenv: os.Setenv,
	})
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	// Whoever reads our output may end before us (| head): then a write fails, and the run takes back what
	// it made.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		// A second signal changes nothing: taking back what was made is bounded, and must not be cut short.
		s := (<-signals).(syscall.Signal) //nolint:errcheck,forcetypeassert // os/signal sends nothing else
		cancel(problem.Interrupted{Signal: s, Number: int(s)})
	}()
	process.LimitMemory()
	dir, err := os.Getwd()
	if err != nil {
		dir = "."
	}
	os.Exit(command.Main(ctx, command.Process{
		Args: os.Args, Environ: environ, Exposed: exposed, Dir: dir,
		Streams: command.Streams{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}, Version: version,
	}))
}
