package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"github.com/kubemint/kubemint/internal/command/usage"
	"github.com/kubemint/kubemint/internal/config"
)

// renderReadme writes README's tables of commands and of the most used inputs.
func renderReadme(have []byte) ([]byte, error) {
	text, err := replaceTable(have, "commands", commandTable())
	if err != nil {
		return nil, err
	}
	return replaceTable(text, "inputs", inputTable())
}

func commandTable() string {
	var b strings.Builder
	var rows [][]string
	for _, command := range usage.Commands() {
		rows = append(rows, []string{quoteCode(command.Synopsis()), command.Summary})
	}
	writeTable(&b, []string{"call", "what it does"}, rows)
	return b.String()
}

func inputTable() string {
	var b strings.Builder
	var rows [][]string
	for _, input := range config.Inputs() {
		if input.Pages.README {
			rows = append(rows, []string{quoteCode(input.Name), firstSentence(input.Help), defaultOf(input)})
		}
	}
	writeTable(&b, []string{"input", "meaning", "default"}, rows)
	var outputs []string
	for _, output := range config.Outputs() {
		outputs = append(outputs, quoteCode(output.Name))
	}
	fmt.Fprintf(&b, "\nOutputs: %s.\n", strings.Join(outputs, ", "))
	return b.String()
}

func firstSentence(text string) string {
	first, _, _ := strings.Cut(text, ". ")
	return strings.TrimSuffix(first, ".")
}

// renderTemplate writes the inputs of the GitLab component and the variables that carry them. An
// input is a string, empty unless given, so that the program's own default holds.
func renderTemplate(have []byte) ([]byte, error) {
	var inputs, variables strings.Builder
	for _, input := range config.Inputs() {
		if !input.Pages.GitLab {
			continue
		}
		fmt.Fprintf(
			&inputs, "    %s:\n      description: %s\n      default: ''\n", input.Name,
			quoteScalar(describe(input)),
		)
		if len(input.Choices) > 0 {
			fmt.Fprintf(&inputs, "      options: ['', '%s']\n", strings.Join(input.Choices, "', '"))
		}
		fmt.Fprintf(&variables, "    KUBEMINT_%s: $[[ inputs.%s ]]\n", strings.ToUpper(input.Name), input.Name)
	}
	text, err := replaceBlock(
		have, `    # inputs: written by "make generate"`, inputs.String(), "    # end",
	)
	if err != nil {
		return nil, err
	}
	return replaceBlock(
		text, `    # variables: written by "make generate"`, variables.String(),
		"    # end of the inputs",
	)
}

// commandWords is the line of the entrypoint that knows kubemint's commands from other programs.
var commandWords = regexp.MustCompile(`(?m)^[a-z |]+ \| -\* \| ''\)`)

func renderEntrypoint(have []byte) ([]byte, error) {
	if !commandWords.Match(have) {
		return nil, fmt.Errorf("it has no line of the form %s", commandWords)
	}
	var words []string
	for _, command := range usage.Commands() {
		words = append(words, command.Name)
	}
	line := strings.Join(words, " | ") + " | -* | '')"
	return bytes.Replace(have, commandWords.Find(have), []byte(line), 1), nil
}
