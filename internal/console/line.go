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

// Line makes a text one harmless line: what is not visible is shown as Go would quote it, and nothing in the line is a command
// to a runner. What is harmless already stays as it is.
func Line(text string) string {
	var line strings.Builder
	for i, r := range text {
		_, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&line, `\x%02x`, text[i])
		case visible(r):
			line.WriteRune(r)
		default:
			line.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return disarm(line.String())
}

// visible says whether a character is shown, and counts when texts are compared. Runners compare as .NET does for a culture:
// there a zero-width character or a variation selector within "::" is not seen at all.
func visible(r rune) bool {
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Me)
}

// disarm takes a line of visible characters out of reach of the parsers of runners:
//   - GitHub (actions/runner, ActionCommand.cs) obeys "::" where a line begins, but for white space, and "##[" anywhere;
//   - Azure (azure-pipelines-agent, Command.cs) obeys "##vso[" anywhere, and colours "##[";
//   - TeamCity obeys "##teamcity[";
//   - Buildkite begins a group of lines at "--- ", "+++ ", "~~~ " and "^^^ ";
//   - GitLab's sections need a carriage return and an escape, which are not visible.
func disarm(line string) string {
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

// Write writes lines to standard output: the help, the version, manifests. It is the other way out beside [Log].
func Write(w io.Writer, lines ...string) error {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(Line(line) + "\n")
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return problem.New(problem.Publish, "write to stdout", err)
	}
	return nil
}
