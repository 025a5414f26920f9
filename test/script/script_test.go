package script

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kubemint/kubemint/internal/config"
)

// saves sets a variable to a file's content, or to the first group of an expression in it.
func saves(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.TrimSpace(ts.ReadFile(args[1]))
	if len(args) > 2 {
		match := regexp.MustCompile(args[2]).FindStringSubmatch(text)
		if len(match) < 2 {
			ts.Fatalf("nothing in %s matches %s:\n%s", args[1], args[2], text)
		}
		text = match[1]
	}
	ts.Setenv(args[0], text)
}

// github makes what follows a step of GitHub Actions on the host, as the runner sets it up.
func github(ts *testscript.TestScript, _ bool, _ []string) {
	dir := ts.MkAbs(".runner")
	for _, sub := range []string{"work/shop", "_temp"} {
		ts.Check(os.MkdirAll(filepath.Join(dir, sub), 0o755))
	}
	for name, value := range map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "acme/shop", "GITHUB_WORKFLOW": "deploy", "GITHUB_JOB": "release",
		"GITHUB_RUN_ID": "4711", "GITHUB_SHA": "f00dfeed", "GITHUB_SERVER_URL": "https://github.com",
		"GITHUB_WORKSPACE": filepath.Join(dir, "work/shop"), "RUNNER_TEMP": filepath.Join(dir, "_temp"),
	} {
		ts.Setenv(name, value)
	}
	for _, input := range config.Inputs() { // what a workflow leaves out is ""
		name := "INPUT_" + strings.ToUpper(input.Name)
		ts.Setenv(name, ts.Getenv(name))
	}
	ts.Setenv("INPUT_HOST_WORKSPACE", "host:"+ts.Getenv("GITHUB_WORKSPACE"))
	ts.Setenv("INPUT_HOST_TEMP", "host:"+ts.Getenv("RUNNER_TEMP"))
	for _, name := range []string{"OUTPUT", "ENV", "STATE", "STEP_SUMMARY"} {
		file := filepath.Join(dir, strings.ToLower(name))
		ts.Check(os.WriteFile(file, nil, 0o600))
		ts.Setenv("GITHUB_"+name, file)
	}
}
