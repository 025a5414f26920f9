package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sethvargo/go-envconfig"

	"github.com/kubemint/kubemint/internal/problem"
)

// Environment is where the inputs come from.
type Environment struct {
	Get      func(name string) string          // the value of a variable, "" where it is unset
	Names    []string                          // every variable's name, to warn about the misspelt
	ReadFile func(path string) ([]byte, error) // for `rules: @path`
}

// prefix of every input's variable, on every platform.
const prefix = "KUBEMINT_"

// Load reads and validates every input. All faults are returned together, joined, each a [problem.Error] of code
// [problem.Config] that names the input, the offending value (never a secret one) and the remedy.
func Load(ctx context.Context, env Environment) (*Config, error) {
	raw := new(inputs)
	err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: raw, Lookuper: lookuper(env)})
	if err != nil {
		return nil, problem.New(problem.Config, "read inputs", err)
	}
	check := &checker{env: env}
	cfg := check.config(raw)
	cfg.Warnings = slices.Concat(check.warnings, unknown(env.Names))
	return cfg, errors.Join(check.faults...)
}

// lookuper reads an input from INPUT_<NAME> under GitHub Actions, else from KUBEMINT_<NAME>. The runner sets every input
// that a workflow leaves out to "", so an empty value is an unset one; go-envconfig alone would count it as found.
func lookuper(env Environment) envconfig.Lookuper {
	github := env.Get("GITHUB_ACTIONS") == "true"
	return envconfig.LookuperFunc(func(name string) (string, bool) {
		if value := env.Get("INPUT_" + name); github && strings.TrimSpace(value) != "" {
			return value, true
		}
		if value := env.Get(prefix + name); strings.TrimSpace(value) != "" {
			return value, true
		}
		return "", false
	})
}

// unknown warns about variables that look like inputs and are none.
func unknown(names []string) []string {
	var known, warnings []string
	for _, input := range Inputs() {
		known = append(known, prefix+strings.ToUpper(input.Name))
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		if !strings.HasPrefix(name, prefix) || strings.HasPrefix(name, prefix+"OUT_") || slices.Contains(known, name) {
			continue
		}
		warning := name + " is not an input of kubemint and has no effect"
		if near := problem.Nearest(name, known); near != "" {
			warning += ": did you mean " + near + "?"
		}
		warnings = append(warnings, warning)
	}
	return warnings
}

// checker collects the faults of a configuration, and what it is to be warned about.
type checker struct {
	env      Environment
	faults   []error
	warnings []string
}

// fault records one fault. value is what the user wrote; pass "" for a secret one.
func (c *checker) fault(input, value, cause string, hints ...string) {
	if value != "" {
		cause = fmt.Sprintf("%q %s", problem.Shorten(value, 80), cause)
	}
	c.faults = append(c.faults, problem.New(problem.Config, "input "+input, errors.New(cause), hints...))
}
