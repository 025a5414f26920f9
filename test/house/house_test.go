package house

import (
	"flag"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/ as the code is now")

// readOnce is for all tests: none of them changes what was read.
var readOnce = sync.OnceValues(func() (*Repo, error) { return ReadRepo("../..") })

func readRepo(t *testing.T) *Repo {
	t.Helper()
	repo, err := readOnce()
	if err != nil {
		t.Fatal(err)
	}
	if len(repo.Program()) < 100 || len(repo.Pages) < 10 {
		t.Fatalf("found %d files and %d pages: not the repository", len(repo.Program()), len(repo.Pages))
	}
	return repo
}

// golden returns the text of a file in testdata, which -update writes first.
func golden(t *testing.T, name, now string) string {
	t.Helper()
	if *update {
		if err := os.WriteFile("testdata/"+name, []byte(now), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestHouse_RulesAreKept(t *testing.T) {
	t.Parallel()
	for _, finding := range Check(readRepo(t)) {
		t.Error(finding)
	}
}

func TestHouse_ImportsAreDeclared(t *testing.T) {
	t.Parallel()
	now := FormatImports(readRepo(t))
	if golden(t, "imports.txt", now) != now {
		t.Errorf("testdata/imports.txt has other imports; now:\n%s", now)
	}
}

func TestHouse_FiguresOnlyGetBetter(t *testing.T) {
	t.Parallel()
	figures := Figures(readRepo(t))
	bounds, err := ParseBounds(golden(t, "figures.txt", FormatFigures(figures)))
	if err != nil {
		t.Fatal(err)
	}
	const rounding = 0.05001
	for _, figure := range figures {
		bound, ok := bounds[figure.Name]
		if !ok || figure.Value > max(bound, figure.Target)+rounding {
			t.Errorf("%s: %s %s; it was %v, the target is %v", figure.Name, printValue(figure), figure.Unit, bound, figure.Target)
		}
	}
	t.Log("\n" + FormatFigures(figures))
}

func TestHouse_BoundsAreTheSameInEveryTool(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, pattern string
		want          int
	}{
		{".editorconfig", `(?m)^\[\*\.go\]\nmax_line_length = (\d+)$`, mostColumns},
		{".golangci.yml", `line-length: (\d+)`, mostColumns},
		{".golangci.yml", `\{ max: (\d+), skip-comments: true, skip-blank-lines: true \}`, mostFileLines},
		{"docs/adr/0001-size-by-room.md", `\| a line \| (\d+) columns`, mostColumns},
		{"docs/adr/0001-size-by-room.md", `\| a struct \| (\d+) fields`, mostFields},
		{"docs/adr/0001-size-by-room.md", `\| a file \| (\d+) lines`, mostFileLines},
		{"docs/adr/0001-size-by-room.md", `\| the body of a function \| (\d+) lines`, mostFunctionLines},
	} {
		text, err := os.ReadFile("../../" + tt.name)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(tt.pattern).FindSubmatch(text)
		if found == nil || string(found[1]) != strconv.Itoa(tt.want) {
			t.Errorf("%s: %s gives %q, want %d", tt.name, tt.pattern, found, tt.want)
		}
	}
}
