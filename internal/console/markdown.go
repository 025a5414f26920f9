package console

import (
	"regexp"
	"strings"
)

// Markdown is a piece of the job summary. Other people's data enters it only through [CodeSpan],
// [ProseOrCode] or [CodeBlock].
type Markdown string

// CodeSpan is a text as a code span, in a paragraph or in a table cell. Backquotes and bars are
// escaped like invisible characters, so nothing ends the span or the cell, whatever a dialect of
// Markdown makes of a backslash before them.
func CodeSpan(text string) Markdown {
	escape := strings.NewReplacer("`", `\x60`, "|", `\x7c`)
	text = escape.Replace(CleanLine(text))
	if strings.TrimSpace(text) == "" { // two backquotes in a row open another kind of span
		return "(empty)"
	}
	return Markdown("`" + text + "`")
}

// CodeSpans are several texts, each a code span.
func CodeSpans(texts []string) Markdown {
	spans := make([]string, len(texts))
	for i, text := range texts {
		spans[i] = string(CodeSpan(text))
	}
	return Markdown(strings.Join(spans, ", "))
}

// ProseOrCode is a text that consists of plain words as it stands, and any other text as a code
// span. Escaping would not be enough: GitHub turns addresses into links after it has resolved the
// escapes.
func ProseOrCode(text string) Markdown {
	if regexp.MustCompile(`^[A-Za-z0-9 ,;'-]*$`).MatchString(text) {
		return Markdown(text)
	}
	return CodeSpan(text)
}

// CodeBlock is a code block whose fence is longer than any run of backquotes in it, so no line ends
// it.
func CodeBlock(language string, lines []string) Markdown {
	var text strings.Builder
	longest := 2
	for _, line := range lines {
		line = CleanLine(line)
		for _, run := range regexp.MustCompile("`+").FindAllString(line, -1) {
			longest = max(longest, len(run))
		}
		text.WriteString(line + "\n")
	}
	fence := strings.Repeat("`", longest+1)
	return Markdown(fence + language + "\n" + text.String() + fence + "\n")
}
