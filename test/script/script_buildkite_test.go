package script

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// jobAPI serves the part of Buildkite's job API that kubemint uses (internal/platform tests it more strictly), and tells the
// script by the variables that the agent sets. Each request becomes a line of the file $JOBAPI.
func jobAPI(ts *testscript.TestScript, _ bool, _ []string) {
	dir, err := os.MkdirTemp("", "job-api") // not in $WORK: the canary looks there, and a socket's path must be short
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	record, err := os.Create(filepath.Join(dir, "requests"))
	ts.Check(err)
	ts.Defer(func() { _ = record.Close() })
	listener, err := net.Listen("unix", filepath.Join(dir, "sock"))
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
	ts.Setenv("JOBAPI", record.Name())
	ts.Setenv("BUILDKITE_AGENT_JOB_API_SOCKET", listener.Addr().String())
	ts.Setenv("BUILDKITE_AGENT_JOB_API_TOKEN", "the-job's-own")
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		route := r.Method + " " + r.URL.Path
		switch {
		case r.Header.Get("Authorization") != "Bearer the-job's-own":
			w.WriteHeader(http.StatusUnauthorized)
		case route == "POST /api/current-job/v0/redactions":
			w.WriteHeader(http.StatusCreated)
		case route != "PATCH /api/current-job/v0/env":
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = fmt.Fprintf(record, "%s %s\n", route, body)
	})
	go func() { _ = http.Serve(listener, handler) }()
}
