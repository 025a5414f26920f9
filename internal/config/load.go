package config

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"github.com/sethvargo/go-envconfig"

	"github.com/kubemint/kubemint/internal/problem"
)

// prefix of every input's variable, on every platform.
const prefix = "KUBEMINT_"

// Load reads and validates every input. All faults are returned together, joined, each a
// [problem.Error] of code [problem.Config] that names the input, the offending value (never a
// secret one) and the remedy.
func Load(env Environment) (*Config, error) {
	var (
		drafted  draft
		check    = checker{env: env}
		declared = drafted.inputs()
		values   = lookuper(env)
	)
	for _, input := range declared {
		value, _ := values.Lookup(input.variable())
		input.read(&check, input, cmp.Or(value, input.Default))
	}
	check.completeAccess(&drafted)
	check.combine(&drafted.Config)
	cfg := &drafted.Config
	cfg.Warnings = slices.Concat(check.warnings, warnUnknown(env.Names, declared))
	return cfg, errors.Join(check.faults...)
}

// variable is the input's name in the environment, without a prefix.
func (in Input) variable() string { return strings.ToUpper(in.Name) }

// lookuper reads an input from INPUT_<NAME> under GitHub Actions, else from KUBEMINT_<NAME>. The
// runner sets every input that a workflow leaves out to "", so an empty value counts as unset.
func lookuper(env Environment) envconfig.Lookuper {
	set := envconfig.LookuperFunc(func(name string) (string, bool) {
		value := env.Get(name)
		return value, strings.TrimSpace(value) != ""
	})
	everywhere := envconfig.PrefixLookuper(prefix, set)
	if env.Get("GITHUB_ACTIONS") != "true" {
		return everywhere
	}
	return envconfig.MultiLookuper(envconfig.PrefixLookuper("INPUT_", set), everywhere)
}

// warnUnknown warns about variables that look like inputs but are not.
func warnUnknown(names []string, declared []Input) []string {
	var known, warnings []string
	for _, input := range declared {
		known = append(known, prefix+input.variable())
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		ours := strings.HasPrefix(name, prefix) && !strings.HasPrefix(name, prefix+"OUT_")
		if !ours || slices.Contains(known, name) {
			continue
		}
		warning := name + " is not an input of kubemint and has no effect"
		if near := problem.NearestWord(name, known); near != "" {
			warning += ": did you mean " + near + "?"
		}
		warnings = append(warnings, warning)
	}
	return warnings
}
