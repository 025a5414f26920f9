package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Seed 002: server, token and CA for a program in another language, by the page's own lines of curl, Python
// and Go.
func TestTask_AnotherLanguage(t *testing.T) {
	t.Parallel()
	cluster, namespace := sharedCluster(t)
	r := newReader(t, cluster, "another-language.md", "shop", namespace)
	r.isAdmin(t)
	r.types(t, "sh mint")
	r.typed = r.block(t, "sh read")
	r.writes(t, filepath.Join(r.dir, "program.py"), r.block(t, "python"), 0o600)
	r.writes(t, filepath.Join(r.dir, "foreign.pem"), string(strangersCA(t)), 0o600)
	for language, run := range map[string]string{
		"curl": r.block(t, "sh curl"), "python": "python3 program.py", "go": "kubemint-test-page",
	} {
		if said, err := r.shell(t, r.typed+"\n"+run); err != nil || !strings.Contains(said, "PodList") {
			t.Errorf("%s: %v: %s", language, err, said)
		}
		said, err := r.shell(t, r.typed+"\ncp foreign.pem ca.pem\n"+run)
		if err == nil || !strings.Contains(said, "certificate") {
			t.Errorf("%s with another CA: %v: %s", language, err, said)
		}
	}
}

func TestTask_AnotherLanguageRunsThePagesGo(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("tasks_go_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(block(t, "another-language.md", "go")) {
		if !strings.Contains(string(source), "\n\t"+line) {
			t.Errorf("tasks_go_test.go does not run the page's line %s", line)
		}
	}
}
