package kubetest

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// ours are goroutines that the program or its tests started or are in, and those that keep a connection open that somebody asked
// over: a leak in either room shows as one of them.
var ours = regexp.MustCompile(`github\.com/kubemint/kubemint/|net/http\.\(\*(persistConn|http2ClientConn)\)\.|golang\.org/x/net/http2\.\(\*ClientConn\)\.`)

// GoroutinesLeft are the stacks of the goroutines of ours, but for the caller's, that have not ended after a while: one may be just
// about to.
func GoroutinesLeft() (stacks []string) {
	for wait := time.Millisecond; ; wait *= 2 {
		buffer := make([]byte, 16<<20)
		all := strings.Split(string(buffer[:runtime.Stack(buffer, true)]), "\n\n")
		stacks = nil
		for _, stack := range all[1:] { // the caller's own comes first
			if ours.MatchString(stack) {
				stacks = append(stacks, stack)
			}
		}
		if len(stacks) == 0 || wait > 2*time.Second {
			return stacks
		}
		time.Sleep(wait)
	}
}

// Main is a package's TestMain: it fails where its tests have passed and left a goroutine.
func Main(m *testing.M) {
	code := m.Run()
	if left := GoroutinesLeft(); code == 0 && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: %d goroutines are left:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}
