package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	noise   = regexp.MustCompile(`[^\pL\pN_\- ]`)
)

// readPages returns the pages that are written for people, by path and without their code.
func readPages(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	read := func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		pages[path] = fence.ReplaceAllString(string(text), "")
	}
	for _, path := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"} {
		read(path)
	}
	err := filepath.WalkDir("docs", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			read(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// anchors are the names that GitHub gives a page's headings.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, match := range heading.FindAllStringSubmatch(page, -1) {
		title := strings.ToLower(noise.ReplaceAllString(match[1], ""))
		found[strings.ReplaceAll(title, " ", "-")] = true
	}
	return found
}

func TestDocs_LinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages := readPages(t)
	checked := 0
	for path, page := range pages {
		for _, match := range link.FindAllStringSubmatch(page, -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			checked++
			to := path
			if target != "" {
				to = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s links to %s: %v", path, match[1], err)
			} else if anchor != "" && !anchors(pages[to])[anchor] {
				t.Errorf("%s links to %s: that page has no such heading", path, match[1])
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d links were found", checked)
	}
}

// A reader who opens docs/ finds every page from its index.
func TestDocs_IndexNamesEveryPage(t *testing.T) {
	t.Parallel()
	pages := readPages(t)
	index := pages[filepath.Join("docs", "README.md")]
	for path := range pages {
		name, inDocs := strings.CutPrefix(filepath.ToSlash(path), "docs/")
		if !inDocs || name == "README.md" || strings.HasPrefix(name, "adr/") {
			continue
		}
		if !strings.Contains(index, "("+name) {
			t.Errorf("docs/README.md does not lead to %s", path)
		}
	}
}

// Three screens: prose, tables and code, without blank lines and what a browser does not show.
func TestReadme_FitsThreeScreens(t *testing.T) {
	t.Parallel()
	if seen := len(readShownLines(t)); seen > 3*linesOfScreen {
		t.Errorf("README.md shows %d lines", seen)
	}
}

// linesOfScreen is how many lines of README a screen shows, about.
const linesOfScreen = 46

// The first two screens have both ways to the rules, with a picture.
func TestReadme_LeadsToTheRules(t *testing.T) {
	t.Parallel()
	shown := strings.Join(readShownLines(t)[:2*linesOfScreen], "\n")
	for _, want := range []string{
		"| kubemint rules --for helm -", "kubemint learn -- make deploy", "flowchart", "-->|kubemint rules|", "-->|kubemint learn|",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("README.md does not have %q in its first two screens", want)
		}
	}
}

// readShownLines returns the lines of README that a browser shows, about: without blank ones, comments and fences. A
// table's rows are short.
func readShownLines(t *testing.T) (shown []string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	hidden := regexp.MustCompile("^(<!--|\\|---|```|\\s*$)")
	for line := range strings.Lines(string(text)) {
		if !hidden.MatchString(line) {
			shown = append(shown, line)
		}
	}
	return shown
}
