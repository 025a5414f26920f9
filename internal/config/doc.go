// Package config turns the environment into a [Config], or says everything that is wrong with it at once.
//
// It holds the one declaration of every input and output (name, default, description); docs/inputs.md and
// both action.yml are generated from it. In: the environment as a lookup and a list of names, and a
// function that reads the file which `rules: @path` names. Out: validated values. It is pure: no client, no
// clock, no os. It imports problem and rules.
package config
