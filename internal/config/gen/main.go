// Command gen writes the files, and parts of files, that follow from the declarations of inputs and
// outputs (internal/config), of commands (internal/command/usage) and of platforms
// (internal/platform): both action.yml, docs/inputs.md, and the marked blocks of README.md,
// templates/kubemint.yml and entrypoint. `make generate` runs it; a test fails where a file
// differs.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/config"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	for name, render := range files {
		if err := rewrite(filepath.Join(root, filepath.FromSlash(name)), render); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}

// render makes a file's content of what it holds now.
type render func(have []byte) ([]byte, error)

// files has every file that holds generated text, by its path in the repository.
var files = map[string]render{
	"action.yml":             renderDockerAction,
	"native/action.yml":      renderNativeAction,
	"docs/inputs.md":         renderPage,
	"README.md":              renderReadme,
	"templates/kubemint.yml": renderTemplate,
	"entrypoint":             renderEntrypoint,
}

func rewrite(path string, render render) error {
	have, err := os.ReadFile(path) //nolint:gosec // the repository that make generate is called in
	if err != nil {
		return err
	}
	want, err := render(have)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, want, 0o644) //nolint:gosec // public documentation; an existing mode stays
}

// replaceBlock puts text between the two lines that enclose a generated block.
func replaceBlock(have []byte, opening, text, closing string) ([]byte, error) {
	before, rest, opened := bytes.Cut(have, []byte(opening+"\n"))
	_, after, closed := bytes.Cut(rest, []byte(closing+"\n"))
	if !opened || !closed {
		return nil, errors.New("it lacks the block: " + opening)
	}
	return slices.Concat(before, []byte(opening+"\n"+text+closing+"\n"), after), nil
}

// replaceTable is replaceBlock for a page in Markdown.
func replaceTable(have []byte, name, text string) ([]byte, error) {
	return replaceBlock(have, "<!-- "+name+`: written by "make generate" -->`, text, "<!-- end -->")
}

// byPlatform is the default in words of an input whose default the platform decides.
const byPlatform = "by platform"

// describe is an input's help with its default, for files that have no column for it.
func describe(input config.Input) string {
	switch {
	case input.Default != "":
		return input.Help + " Default: " + input.Default + "."
	case input.Unset == byPlatform:
		return input.Help + " Default: by platform, see docs/inputs.md."
	case input.Unset != "":
		return input.Help + " Default: " + input.Unset + "."
	}
	return input.Help
}

// quoteScalar quotes a YAML scalar.
func quoteScalar(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// writeTable writes rows as a table of Markdown.
func writeTable(b *strings.Builder, header []string, rows [][]string) {
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(header, " | "), strings.Repeat("---|", len(header)))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
	}
}

func quoteCode(text string) string { return "`" + text + "`" }
