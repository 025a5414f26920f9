package docs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubemint/kubemint/test/harness"
)

// Seed 002: server, token and CA for a program in another language, by the page's own lines of curl, Python
// and Go.
func TestTask_AnotherLanguage(t *testing.T) {
	t.Parallel()
	cluster, namespace := harness.NewNamespace(t)
	r := harness.NewReader(t, cluster, "another-language.md", "shop", namespace)
	r.LogInAsAdmin(t)
	r.TypeBlock(t, "sh mint")
	r.Typed = r.ReadBlock(t, "sh read")
	r.WriteFile(t, filepath.Join(r.Dir, "program.py"), r.ReadBlock(t, "python"), 0o600)
	r.WriteFile(t, filepath.Join(r.Dir, "foreign.pem"), string(harness.OtherCA(t)), 0o600)
	for language, run := range map[string]string{
		"curl": r.ReadBlock(t, "sh curl"), "python": "python3 program.py", "go": "kubemint-test-page",
	} {
		if said, err := r.RunShell(t, r.Typed+"\n"+run); err != nil || !strings.Contains(said, "PodList") {
			t.Errorf("%s: %v: %s", language, err, said)
		}
		said, err := r.RunShell(t, r.Typed+"\ncp foreign.pem ca.pem\n"+run)
		if err == nil || !strings.Contains(said, "certificate") {
			t.Errorf("%s with another CA: %v: %s", language, err, said)
		}
	}
}

func TestTask_AnotherLanguageRunsThePagesGo(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("test/docs/tasks_go_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(harness.ReadBlock(t, "another-language.md", "go")) {
		if !strings.Contains(string(source), "\n\t"+line) {
			t.Errorf("tasks_go_test.go does not run the page's line %s", line)
		}
	}
}
