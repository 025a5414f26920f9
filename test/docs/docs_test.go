package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// A threat model whose tests are gone shows nothing: every test and every script that docs/security.md names is there.
func TestTheTestsOfTheThreatModelExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]bool{}
	for _, pattern := range []string{
		"test/*/*_test.go", "internal/*/*_test.go", "internal/*/*/*_test.go", "internal/*/*/*/*_test.go",
	} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal("no tests at ", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllSubmatch(text, -1) {
				functions[string(found[1])] = true
			}
		}
	}
	named := 0
	for _, found := range regexp.MustCompile("`((?:Test|Fuzz)\\w+|[a-z]+(?:-[a-z]+)+|mint)`").FindAllSubmatch(page, -1) {
		name := string(found[1])
		scripts, err := filepath.Glob("test/script/*/" + name + ".txtar")
		switch {
		case functions[name], err == nil && len(scripts) == 1:
			named++
		case name == "insecure-skip-tls-verify", name == "proxy-url":
		default:
			t.Errorf("docs/security.md names %s, which is no test", name)
		}
	}
	if named < 50 {
		t.Errorf("only %d tests are named", named)
	}
}
