package script

import (
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kubemint/kubemint/test/harness"
)

// silent makes a kubeconfig's server one that accepts connections and never answers, until the script ends.
func silent(ts *testscript.TestScript, _ bool, args []string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
	called := ts.MkAbs(args[0] + ".called")
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			defer connection.Close() // with the listener
			_ = os.WriteFile(called, nil, 0o600)
		}
	}()
	content := regexp.MustCompile(`server: [^\s,]+`).ReplaceAllString(ts.ReadFile(args[0]), "server: https://"+listener.Addr().String())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(content), 0o600))
}

// interrupted runs a command, sends it a signal as soon as it has called a silent server, and demands its exit code.
func interrupted(ts *testscript.TestScript, _ bool, args []string) {
	number := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}[args[0]]
	called, pid := ts.MkAbs(args[2]+".called"), ts.MkAbs(".pid")
	_ = os.Remove(called)
	_ = os.Remove(pid)
	sent := make(chan time.Time, 1)
	go func() {
		defer close(sent)
		for start := time.Now(); time.Since(start) < harness.Patience; time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(called); err != nil {
				continue
			}
			content, err := os.ReadFile(pid)
			if process, bad := strconv.Atoi(strings.TrimSpace(string(content))); err == nil && bad == nil {
				sent <- time.Now()
				if process, err := os.FindProcess(process); err == nil {
					_ = process.Signal(number)
				}
				return
			}
		}
	}()
	command := append([]string{args[1], "sh", "-c", `echo $$ >"$1"; shift; exec "$@"`, "sh", pid}, args[3:]...)
	exits(ts, false, command)
	at, ok := <-sent
	if !ok {
		ts.Fatalf("%v never called the server", args[3:])
	}
	if took := time.Since(at); took > harness.EndsWithin {
		ts.Fatalf("%v ended %s after the signal", args[3:], took)
	}
}
