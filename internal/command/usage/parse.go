package usage

import (
	"errors"
	"flag"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

// Invocation is one command line, parsed.
type Invocation struct {
	Command   string
	Arguments []string            // of the commands that have an operand
	Flags     map[string][]string // the values of each flag that is set; a switch has "true"
}

// Has reports whether a flag is set.
func (i Invocation) Has(flag string) bool { return len(i.Flags[flag]) > 0 }

// aliases are flags that stand for a command.
var aliases = map[string]string{"-h": "help", "-help": "help", "--help": "help", "--version": "version"}

// Word is the last value of a flag, "" where it is not set.
func (i Invocation) Word(flag string) string {
	if values := i.Flags[flag]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

// Parse reads a command line, whose first word is the program's name.
func Parse(words []string) (Invocation, error) {
	if isPostStep(words[0]) {
		return Invocation{Command: "revoke"}, nil
	}
	if len(words) == 1 {
		return Invocation{Command: "mint"}, nil
	}
	name := words[1]
	if alias, ok := aliases[name]; ok {
		name = alias
	}
	command, err := findCommand(name)
	if err != nil {
		return Invocation{}, err
	}
	return command.parseWords(words[2:])
}

// isPostStep reports whether the program runs as GitHub's post-entrypoint. The runner passes the
// arguments of the main step to it, so they are ignored.
func isPostStep(program string) bool {
	return strings.TrimSuffix(filepath.Base(program), ".exe") == "kubemint-revoke"
}

func findCommand(name string) (Command, error) {
	commands := Commands()
	at := slices.IndexFunc(commands, func(c Command) bool { return c.Name == name })
	if at >= 0 {
		return commands[at], nil
	}
	var names []string
	for _, command := range commands {
		names = append(names, command.Name)
	}
	unknown := problem.Newf(problem.Config, "run "+name, "unknown command").
		Hint("the commands are %s", strings.Join(names, ", "))
	if near := problem.NearestWord(name, names); near != "" {
		unknown.Hint("did you mean %s?", near)
	}
	return Command{}, unknown
}

func (c Command) parseWords(words []string) (Invocation, error) {
	if c.Name == "exec" {
		return parseExec(words), nil
	}
	call := Invocation{Command: c.Name, Flags: map[string][]string{}}
	set := c.flagSet(call.Flags)
	err := set.Parse(words)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return explainCommand(c.Name), nil
	case err != nil:
		return Invocation{}, problem.New(problem.Config, "run "+c.Name, err, "see kubemint "+c.Name+" --help")
	case c.Name == "help":
		return parseHelp(set.Args())
	case set.NArg() > 0 && c.Operand == "":
		return Invocation{}, takesNone("run "+c.Name, set.Arg(0))
	}
	call.Arguments = set.Args()
	return call, nil
}

// flagSet parses the command's flags into values.
func (c Command) flagSet(values map[string][]string) *flag.FlagSet {
	set := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, declared := range c.Flags {
		if declared.Value != "" {
			set.Func(declared.Name, "", func(value string) error {
				values[declared.Name] = append(values[declared.Name], value)
				return nil
			})
			continue
		}
		set.BoolFunc(declared.Name, "", func(value string) error {
			return setSwitch(values, declared, value)
		})
	}
	return set
}

// parseExec leaves everything but a first --help to the command that exec runs.
func parseExec(words []string) Invocation {
	if len(words) > 0 {
		if aliases[words[0]] == "help" {
			return explainCommand("exec")
		}
		if words[0] == "--" {
			words = words[1:]
		}
	}
	return Invocation{Command: "exec", Arguments: words}
}

// parseHelp reads the command that help is to explain, if one is given.
func parseHelp(words []string) (Invocation, error) {
	switch len(words) {
	case 0:
		return Invocation{Command: "help"}, nil
	case 1:
		command, err := findCommand(words[0])
		return explainCommand(command.Name), err
	}
	return Invocation{}, takesNone("run help "+words[0], words[1])
}

func explainCommand(name string) Invocation {
	return Invocation{Command: "help", Arguments: []string{name}}
}

func takesNone(op, argument string) error {
	return problem.Newf(problem.Config, op, "it takes no arguments, but got %q", argument).
		Hint("every input is an environment variable: see kubemint help")
}
