// Package check compares what the runner may do with what bootstrap prints for a configuration.
//
// In: the runner's client, and what bootstrap is asked for. Out: an error that lists what is more
// and what is missing. It changes nothing. It imports client, client/discovery,
// client/review, command/bootstrap, command/session, console, parallel, problem, rights and rules.
package check
