// Package config turns the environment into a [Config], or says everything that is wrong with it at
// once.
//
// It holds the one declaration of every input ([Input]: name, help, default, reader) and of every
// output. Both action.yml, docs/inputs.md, README.md's table and the GitLab component are generated
// from it, by gen.
//
// In: the environment as a lookup and a list of names, and a function that reads the file which
// `rules: @path` names. Out: validated values. It is pure: no client, no clock, no os. It imports
// problem, rules and rules/syntax.
package config

//go:generate go run ./gen ../..
