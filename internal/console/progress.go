package console

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kubemint/kubemint/internal/parallel"
)

// EachWithProgress is parallel.Each, and says from time to time how far it is: a line of the log,
// or a bar on a terminal.
func (l *Log) EachWithProgress(what string, n int, f func(i int) error) error {
	const worthwhile = 100
	if n < worthwhile {
		return parallel.Each(n, f)
	}
	var done atomic.Int64
	stop := make(chan struct{})
	stopped := make(chan struct{})
	go l.showProgress(what, n, &done, stop, stopped)
	defer func() { close(stop); <-stopped }()
	return parallel.Each(n, func(i int) error {
		defer done.Add(1)
		return f(i)
	})
}

func (l *Log) showProgress(what string, n int, done *atomic.Int64, stop, stopped chan struct{}) {
	const width = 40
	defer close(stopped)
	terminal := IsTerminal(l.w)
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			l.overwriteLine("")
			return
		case <-ticker.C:
		}
		now := int(done.Load())
		if terminal {
			full := width * now / n
			l.overwriteLine(
				fmt.Sprintf(
					"%s [%s%s] %d/%d", what, strings.Repeat("#", full),
					strings.Repeat(".", width-full), now, n,
				),
			)
		} else if l.silentFor() >= 3*time.Second {
			l.Printf("%s: %d of %d", what, now, n)
		}
	}
}

// silentFor returns the time since the last line.
func (l *Log) silentFor() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.said)
}

// overwriteLine puts a line in the place of the one that it wrote last, which the next line of the
// log replaces.
func (l *Log) overwriteLine(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clearLine()
	_, _ = io.WriteString(l.w, line)
	l.unfinished = line != ""
}

// clearLine takes away the line of overwrite.
func (l *Log) clearLine() {
	if l.unfinished {
		_, _ = io.WriteString(l.w, "\r\x1b[K") // to the line's beginning, and erase it (ECMA-48 EL)
	}
	l.unfinished = false
}

// IsTerminal says whether a stream is a terminal. The null device, which usually is a job's
// standard input, is not, whatever name it was opened by.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	null, _ := os.Stat(os.DevNull)
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && !os.SameFile(info, null)
}
