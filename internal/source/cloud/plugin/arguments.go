package plugin

import "strings"

// Arguments are a program's command line, parsed.
type Arguments struct {
	Values map[string]string // by the long name of the flag; "" for a switch
	Words  []string          // everything that is not a flag: sub-commands
}

// flagName matches the names of unknown flags that an error may show. Anything else could be a
// secret.
const flagName = Pattern(`^--?[A-Za-z0-9][A-Za-z0-9_-]{0,60}$`)

// ParseArguments parses a command line. flags maps each known flag to its long name; a long name
// that ends in "!" is a switch, which takes no value. An unknown flag is an error, because its
// effect is unknown.
func ParseArguments(program string, args []string, flags map[string]string) (Arguments, error) {
	parsed := Arguments{Values: map[string]string{}}
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		if !strings.HasPrefix(name, "-") {
			parsed.Words = append(parsed.Words, args[i])
			continue
		}
		meaning, known := flags[name]
		long, isSwitch := strings.CutSuffix(meaning, "!")
		switch {
		case !known && !flagName.Matches(name):
			return parsed, Refuse("an argument of %s cannot be read", program)
		case !known:
			return parsed, Refuse("%s's argument %s has no counterpart here", program, name).
				Hint("take %s out of the kubeconfig, or put a token into it in an earlier step", name)
		case isSwitch && given && value != "true":
			if value != "false" {
				return parsed, Refuse("%s's argument %s is neither true nor false", program, name)
			}
			continue
		case !isSwitch && !given:
			if i++; i == len(args) {
				return parsed, Refuse("%s's argument %s has no value", program, name)
			}
			value = args[i]
		}
		parsed.Values[long] = value
	}
	return parsed, nil
}

// Has reports whether a switch or a value was given.
func (a Arguments) Has(name string) bool {
	_, given := a.Values[name]
	return given
}
