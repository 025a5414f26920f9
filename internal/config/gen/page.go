package main

import (
	"strings"

	"github.com/kubemint/kubemint/internal/config"
)

// renderPage writes the tables of docs/inputs.md.
func renderPage(have []byte) ([]byte, error) {
	text, err := replaceTable(have, "inputs", sectionTables())
	if err != nil {
		return nil, err
	}
	if text, err = replaceTable(text, "outputs", outputTable()); err != nil {
		return nil, err
	}
	return replaceTable(text, "platforms", platformTable())
}

func sectionTables() string {
	var b strings.Builder
	header := []string{"input", "meaning", "default"}
	var section string
	var rows [][]string
	for _, input := range config.Inputs() {
		if input.Pages.Section != section {
			writeSection(&b, section, header, rows)
			section = input.Pages.Section
			rows = nil
		}
		rows = append(rows, []string{quoteCode(input.Name), input.Help, defaultOf(input)})
	}
	writeSection(&b, section, header, rows)
	return b.String()
}

func writeSection(b *strings.Builder, title string, header []string, rows [][]string) {
	if len(rows) > 0 {
		b.WriteString("\n## " + title + "\n\n")
		writeTable(b, header, rows)
	}
}

// defaultOf is the cell of a table that says what holds where an input is not given.
func defaultOf(input config.Input) string {
	if input.Default != "" {
		return quoteCode(input.Default)
	}
	return input.Unset
}

func outputTable() string {
	var b strings.Builder
	var rows [][]string
	for _, output := range config.Outputs() {
		secret := ""
		if output.Secret {
			secret = "yes"
		}
		rows = append(rows, []string{quoteCode(output.Name), output.Help, secret})
	}
	writeTable(&b, []string{"output", "meaning", "secret"}, rows)
	return b.String()
}
