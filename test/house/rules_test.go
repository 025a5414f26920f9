package house

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// brokenRepo has what testdata/broken.txtar says, and, too long to be written down, a function of 50 lines, a file of 300 and a
// room of more than 1,000.
func brokenRepo(t *testing.T) *Repo {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/broken.txtar")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	var long strings.Builder
	long.WriteString("package access\n\nfunc runOn() {\n" + strings.Repeat("\trunOn()\n", 50) + "\t// not counted\n}\n")
	for i := range 21 {
		fmt.Fprintf(&long, "\ntype T%d struct{}\n", i)
	}
	long.WriteString(strings.Repeat("\nfunc _() {}\n", 300))
	files := append(archive.Files, txtar.File{Name: "internal/access/long.go", Data: []byte(long.String())})
	for i := range 4 {
		code := "package access\n" + strings.Repeat("\nfunc _() {}\n", 200)
		files = append(files, txtar.File{Name: fmt.Sprintf("internal/access/part%d.go", i), Data: []byte(code)})
	}
	for _, file := range files {
		name := filepath.Join(folder, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, file.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	repo, err := ReadRepo(folder)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func TestRules_EachFindsItsFault(t *testing.T) {
	t.Parallel()
	want := []string{
		"imports-both-ways 1 client -> console",
		"imports-both-ways 1 console -> client",
		"files-both-ways 1 rules: load.go -> print.go",
		"files-both-ways 1 rules: print.go -> read.go",
		"files-both-ways 1 rules: read.go -> load.go",
		"files-both-ways 1 rules: read.go -> print.go",
		"leaf-imports 1 problem -> rules",
		"impure 1 internal/rules/rules.go os",
		"clientset 1 internal/console/doc.go k8s.io/client-go/kubernetes/fake",
		"http-client 1 internal/console/doc.go http.Client",
		"writes 1 console",
		"reveals 1 console",
		"doc.go 1 client",
		"doc-imports 1 console: access is said and not imported",
		"doc-imports 1 problem: rules is imported and not said",
		"doc.go 1 rules",
		"room-lines 1181 access",
		"room-exports 22 access",
		"file-lines 374 internal/access/long.go",
		"function-lines 50 access.runOn",
		"struct-fields 9 access.Wide",
		"line-columns 1 internal/console/doc.go",
		"parallel-assignment 1 console.erase",
		"mixed-and-or 1 console.erase",
		"global 1 console.counter",
		"global 1 internal/console/doc.go init",
		"process 1 internal/rules/rules.go os.Getenv",
		"word 1 internal/console/doc.go: anew",
		"word 1 internal/console/doc.go: is what",
	}
	var got []string
	for _, finding := range Check(brokenRepo(t)) {
		if !strings.HasPrefix(finding.Rule, "docs-") {
			got = append(got, fmt.Sprintf("%s %d %s", finding.Rule, finding.Count, finding.Key))
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("not found: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("found: %s", line)
		}
	}
}

func TestRules_TablesOfTheArchitecture(t *testing.T) {
	t.Parallel()
	repo := brokenRepo(t)
	repo.Pages = []Page{{Path: architecture, Text: "# A\n\n## Rooms\n\n| room | use |\n|---|---|\n" +
		"| `main` | |\n| `access` | |\n| `rules` | |\n| `client` | |\n| `client/trace` | |\n| `gone` | |\n| `console` | |\n\n" +
		"## The auditor's path\n\n| file | decides |\n|---|---|\n| `access/long.go` | |\n| `access/old.go` | |\n\n## More\n\n| `x` |\n"}}
	repo.Pages[0].Text += "see `internal/rules/rules.go`, `internal/gone.go` and `internal/client/*.go`"
	if got := keys(findLost(repo)); !slices.Equal(got, []string{"internal/gone.go"}) {
		t.Errorf("paths: %q", got)
	}
	if got := keys(findUnpictured(repo)); !slices.Equal(got, []string{"gone does not exist", "problem is missing"}) {
		t.Errorf("rooms: %q", got)
	}
	got := keys(findUnexplained(repo))
	if len(got) != 6 || got[0] != "access/old.go does not exist" || got[1] != "access/part0.go is missing" {
		t.Errorf("files: %q", got)
	}
}

func keys(findings []Finding) []string {
	var names []string
	for _, finding := range findings {
		names = append(names, finding.Key)
	}
	slices.Sort(names)
	return names
}

func TestFinding_SaysWhatTheRuleAsksFor(t *testing.T) {
	t.Parallel()
	got := Finding{Rule: "room-lines", Key: "access", Count: 1001}.String()
	if want := "room-lines: access (1001): a room has at most 1000 lines of code"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestFigures_OfASmallProgram(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	code := "package rules\n\ntype T struct{}\n\nfunc (T) String() string { return \"\" }\n\nfunc parse() {\n\ta, b := 1, 2\n\ta, b = b, a\n" +
		"\t_ = a > 0 && b > 0 || a == b\n}\n\nfunc parseYAML() {} // " + strings.Repeat("x", 100) + "\n\nfunc HTTPClient() {}\n\nfunc URL() {}\n"
	if err := os.MkdirAll(filepath.Join(folder, "internal", "rules"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "internal", "rules", "rules.go"), []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	repo, err := ReadRepo(folder)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{
		"the auditor's path":                    0,
		"program: one-word function names":      50,
		"program: lines over 100 columns":       9.1,
		"program: parallel assignments":         33.3,
		"program: && in || without parentheses": 1,
		"tests: one-word function names":        0,
		"tests: lines over 100 columns":         0,
		"tests: parallel assignments":           0,
		"tests: && in || without parentheses":   0,
	}
	got, err := ParseBounds(FormatFigures(Figures(repo)))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s: %v, want %v", name, got[name], value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d figures, want %d", len(got), len(want))
	}
}

func TestPhrases_AreFoundAcrossLines(t *testing.T) {
	t.Parallel()
	phrases := readPhrases("# a comment\n\nas it is => unchanged\n(?:made|read) anew => recreated\n")
	for text, want := range map[string]int{
		"It is left as it\nis.":     1,
		"as soon as it is there":    0,
		"Made anew and read  anew.": 2,
		"has it is":                 0,
		"as it isn't":               0,
		"nothing to find":           0,
	} {
		count := 0
		for _, finding := range findPhrases(phrases, "page.md", []string{text}) {
			count += finding.Count
		}
		if count != want {
			t.Errorf("%q: %d, want %d", text, count, want)
		}
	}
}
