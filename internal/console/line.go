package console

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/kubemint/kubemint/internal/problem"
)

// CleanLine turns any text into one harmless line: invisible characters are escaped as Go escapes
// them, and nothing in the line is a command to a runner. A harmless line comes back unchanged.
func CleanLine(text string) string {
	var line strings.Builder
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&line, `\x%02x`, text[i])
		case isVisible(r):
			line.WriteRune(r)
		default:
			line.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return escapeCommands(line.String())
}

// isVisible says whether a character is shown, and counts when texts are compared. Runners compare
// text by the rules of a culture, as .NET does by default: a zero-width space or a variation
// selector inside "::" is ignored there.
func isVisible(r rune) bool {
	return unicode.IsPrint(r) &&
		!unicode.In(
			r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Me,
		)
}

// escapeCommands escapes what a runner would obey in a line of visible characters:
//   - GitHub (actions/runner, ActionCommand.cs) obeys "::" after leading white space, and "##[" anywhere;
//   - Azure (azure-pipelines-agent, Command.cs) obeys "##vso[" anywhere, and colours "##[";
//   - TeamCity obeys "##teamcity[";
//   - Buildkite starts a group of lines at "--- ", "+++ ", "~~~ " and "^^^ ".
//
// GitLab's section markers need a carriage return and an escape, which are invisible, and so are
// gone already.
func escapeCommands(line string) string {
	line = strings.ReplaceAll(line, "##", `#\x23`)
	text := strings.TrimLeft(line, " ")
	indent := line[:len(line)-len(text)]
	if strings.HasPrefix(text, "::") {
		return indent + `\x3a` + text[1:]
	}
	for _, heading := range []string{"--- ", "+++ ", "~~~ ", "^^^ "} {
		if strings.HasPrefix(line, heading) {
			return fmt.Sprintf(`\x%02x`, line[0]) + line[1:]
		}
	}
	return line
}

// WriteLines writes lines to standard output: help, version, manifests.
func WriteLines(w io.Writer, lines ...string) error {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(CleanLine(line) + "\n")
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return problem.New(problem.Publish, "write to stdout", err)
	}
	return nil
}
