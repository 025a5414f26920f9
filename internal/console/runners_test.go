package console

import (
	"regexp"
	"strings"
	"unicode"
)

// What runners obey in a job's log, written after their sources. Where two versions of one differ, or a setting decides, the more
// obedient one is modelled.

// readLines are the lines that a runner reads: .NET ends one at CR, LF and both, and others at what Unicode calls a line's end.
func readLines(text string) []string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune("\n\r\v\f\u0085\u2028\u2029", r) })
}

// asCompared is a text as .NET's IndexOf and StartsWith see it unless told otherwise: they compare by the rules of a language, to
// which these characters do not exist (Unicode Collation, completely ignorable: default-ignorable, control and enclosing ones).
func asCompared(text string) string {
	return strings.Map(func(r rune) rune {
		ignorable := unicode.In(r, unicode.Cf, unicode.Me, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) ||
			unicode.Is(unicode.Cc, r) && !unicode.IsSpace(r)
		if ignorable {
			return -1
		}
		return r
	}, text)
}

// gitHub is actions/runner, src/Runner.Common/ActionCommand.cs: TryParseV2, then TryParse.
func gitHub(line string) bool {
	seen := asCompared(line)
	if rest, ok := strings.CutPrefix(strings.TrimLeftFunc(seen, unicode.IsSpace), "::"); ok && strings.Contains(rest, "::") {
		return true // any name: stop-commands registers the token that ends it, which its author chooses
	}
	_, rest, ok := strings.Cut(seen, "##[")
	return ok && strings.Contains(rest, "]")
}

// azure is microsoft/azure-pipelines-agent, src/Microsoft.VisualStudio.Services.Agent/Command.cs; and "##[", which colours
// and folds lines on the page of a log.
func azure(line string) bool {
	seen := asCompared(line)
	_, rest, ok := strings.Cut(strings.ToLower(seen), "##vso[")
	return ok && strings.Contains(rest, "]") || strings.Contains(seen, "##[")
}

// teamCity takes service messages from any place of a line.
func teamCity(line string) bool { return strings.Contains(asCompared(line), "##teamcity[") }

// gitLab is GitLab's lib/gitlab/regex.rb, logs_section_*; before 13 the name was less bounded.
var gitLab = regexp.MustCompile(`section_(start|end):\d+:[^\r]+\r\x1b\[0?K`)

// buildkite begins a group: https://buildkite.com/docs/pipelines/configure/managing-log-output
var buildkite = regexp.MustCompile(`^(---|\+\+\+|~~~|\^\^\^)\s`)

// act is nektos/act, pkg/runner/command.go, which Gitea's and Forgejo's runners have taken over.
var act = regexp.MustCompile(`^(::([^ ]+)( (.+))?::|##\[([^ ]+)( (.+))?\])`)

// obeyed are the lines of a log that some runner would obey, or that hold what moves a terminal's cursor.
func obeyed(text string) (lines []string) {
	for _, line := range readLines(text) {
		if gitHub(line) || azure(line) || teamCity(line) || buildkite.MatchString(line) || act.MatchString(line) || strings.Contains(line, "\x1b") {
			lines = append(lines, line)
		}
	}
	return append(lines, gitLab.FindAllString(text, -1)...)
}
