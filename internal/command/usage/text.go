package usage

import (
	"strings"
	"unicode/utf8"
)

// Synopsis shows how the command is called.
func (c Command) Synopsis() string {
	words := []string{"kubemint", c.Name}
	if c.Name == "mint" {
		words[1] = "[mint]" // the command of a kubemint without arguments
	}
	for _, flag := range c.Flags {
		if flag.With == "" {
			words = append(words, "["+flag.spelling()+"]")
		}
	}
	if c.Operand != "" {
		words = append(words, c.Operand)
	}
	return strings.Join(words, " ")
}

func (f Flag) spelling() string {
	switch {
	case f.Word != "":
		return "--" + f.Name + "[=" + f.Word + "]"
	case f.Value == "":
		return "--" + f.Name
	}
	return "--" + f.Name + " " + f.Value
}

// Help returns the lines that an invocation of help prints.
func (i Invocation) Help() []string {
	for _, name := range i.Arguments {
		if command, err := findCommand(name); err == nil {
			return command.helpLines()
		}
	}
	return listCommands()
}

const (
	lead       = "usage: "
	indent     = "       "
	summaryAt  = 19  // the column of a summary, after the indent
	widestText = 100 // columns
)

// listCommands lists the commands.
func listCommands() []string {
	lines := []string{
		"kubemint gives a pipeline a cluster credential that is scoped, short-lived and revocable.", "",
	}
	first := lead
	for _, command := range Commands() {
		synopsis := command.Synopsis()
		if width := utf8.RuneCountInString(synopsis); width < summaryAt {
			lines = append(lines, first+padRight(synopsis, summaryAt)+command.Summary)
		} else {
			lines = append(lines, first+synopsis, indent+padRight("", summaryAt)+command.Summary)
		}
		first = indent
	}
	return append(lines, "",
		"kubemint COMMAND --help explains a command and its flags.", "",
		"Inputs are environment variables: KUBEMINT_NAMESPACE, KUBEMINT_RULES, KUBEMINT_DURATION and so on;",
		"docs/inputs.md lists them all.")
}

// helpLines explains one command.
func (c Command) helpLines() []string {
	lines := []string{lead + c.Synopsis(), "", strings.ToUpper(c.Summary[:1]) + c.Summary[1:] + "."}
	for _, paragraph := range c.Details {
		lines = append(append(lines, ""), wrapParagraph(paragraph)...)
	}
	if len(c.Flags) > 0 {
		lines = append(lines, "", "flags:")
	}
	widest := 0
	for _, flag := range c.Flags {
		widest = max(widest, len(flag.spelling()))
	}
	for _, flag := range c.Flags {
		lines = append(lines, "  "+padRight(flag.spelling(), widest+2)+flag.Help)
	}
	if c.Inputs {
		lines = append(lines, "",
			"It reads the inputs, which are environment variables: docs/inputs.md lists them.")
	}
	return lines
}

// padRight fills a text with spaces up to a width in columns.
func padRight(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// wrapParagraph breaks a paragraph into lines.
func wrapParagraph(paragraph string) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(paragraph) {
		if line != "" && utf8.RuneCountInString(line+" "+word) > widestText {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
