package config

import (
	"errors"
	"fmt"

	"github.com/kubemint/kubemint/internal/problem"
)

// Input declares one input: its name, what it means, its default, and how it is read. Everything
// that pipelines and their authors see of an input is generated from here.
type Input struct {
	Name    string // as in a workflow; the variable is KUBEMINT_ and the name in capitals
	Help    string
	Default string   // as a pipeline would write it
	Unset   string   // where there is no Default: what holds instead, in words
	Choices []string // every value that it can have; nil for free text
	Pages   Pages
	read    reader
}

// Pages says which files declare an input, in addition to both action.yml.
type Pages struct {
	Section string // the heading above it in docs/inputs.md
	README  bool
	GitLab  bool   // templates/kubemint.yml, the GitLab component
	Docker  string // action.yml alone, with this default: an expression that only the runner can evaluate
}

// reader reads the value of an input into the configuration.
type reader func(c *checker, in Input, value string)

// readInto reads a value into one field.
func readInto[T any](field *T, parse func(c *checker, in Input, value string) T) reader {
	return func(c *checker, in Input, value string) { *field = parse(c, in, value) }
}

// boolean has the choices of an input that is on or off.
var boolean = []string{"true", "false"}

// Environment is where the inputs come from.
type Environment struct {
	Get      func(name string) string          // the value of a variable, "" where it is unset
	Names    []string                          // every variable's name, to warn about the misspelt
	ReadFile func(path string) ([]byte, error) // for `rules: @path`
}

// checker collects the faults of a configuration, and the warnings.
type checker struct {
	env      Environment
	faults   []error
	warnings []string
}

// addFault records one fault. The message quotes value, unless it is "": pass that for a secret.
func (c *checker) addFault(input, value, cause string, hints ...string) {
	if value != "" {
		cause = fmt.Sprintf("%q %s", problem.ShortenText(value, 80), cause)
	}
	c.faults = append(c.faults, problem.New(problem.Config, "input "+input, errors.New(cause), hints...))
}
