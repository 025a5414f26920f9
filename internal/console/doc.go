// Package console is the one sink for text: everything that a person or a runner reads goes through
// it. Only the commands to a runner do not: the room platform prints those.
//
// In: lines, errors and change sets, with other people's data in them. Out: harmless lines on
// stderr and stdout, Markdown for the job summary, YAML and JSON. It imports access, parallel,
// problem, rules and secret.
package console
