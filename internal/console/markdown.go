package console

import (
	"regexp"
	"strings"
)

// Markdown is a piece of the job summary. What others wrote gets into one by [Code], [Prose] or [Fence] alone.
type Markdown string

// Code is a text as a code span, in a paragraph or in a cell of a table. A backquote and a bar are shown escaped, as what is not
// visible is: then nothing ends the span or the cell, whatever the reader's dialect says of backslashes before them.
func Code(text string) Markdown {
	escape := strings.NewReplacer("`", `\x60`, "|", `\x7c`)
	text = escape.Replace(Line(text))
	if strings.TrimSpace(text) == "" { // between backquotes it would be a longer backquote, or nothing to see
		return "(empty)"
	}
	return Markdown("`" + text + "`")
}

// Codes are several texts, each a code span.
func Codes(texts []string) Markdown {
	spans := make([]string, len(texts))
	for i, text := range texts {
		spans[i] = string(Code(text))
	}
	return Markdown(strings.Join(spans, ", "))
}

// Prose is a sentence where it has nothing but words, and else a code span: escapes would not do, since GitHub makes links of
// addresses after it has resolved them.
func Prose(text string) Markdown {
	if regexp.MustCompile(`^[A-Za-z0-9 ,;'-]*$`).MatchString(text) {
		return Markdown(text)
	}
	return Code(text)
}

// Fence is a block of code, with a fence that no line of it can end.
func Fence(language string, lines []string) Markdown {
	var text strings.Builder
	longest := 2
	for _, line := range lines {
		line = Line(line)
		for _, run := range regexp.MustCompile("`+").FindAllString(line, -1) {
			longest = max(longest, len(run))
		}
		text.WriteString(line + "\n")
	}
	fence := strings.Repeat("`", longest+1)
	return Markdown(fence + language + "\n" + text.String() + fence + "\n")
}
