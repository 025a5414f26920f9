package process

import (
	"errors"
	"slices"
)

// Start holds what main was started with, and the functions that change the environment.
type Start struct {
	Args     []string
	Environ  []string
	Clearenv func()
	Setenv   func(name, value string) error
}

// ErrLost is the one error of [Conceal] after which the environment is gone: the run cannot go on.
var ErrLost = errors.New("the environment did not arrive in the restarted process")

// marker names the descriptor of the memory file, in the environment of the restarted process and
// nowhere else.
const marker = "KUBEMINT_HANDOVER"

// runsOthers reports whether this process will run a command that must not see its environment.
func (s Start) runsOthers() bool {
	return len(s.Args) > 1 && slices.Contains([]string{"exec", "learn"}, s.Args[1])
}
