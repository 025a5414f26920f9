// Package console is the one sink for text: everything that a person or a runner reads goes through it, but for the commands of
// a platform, which the room platform prints.
//
// In: lines, errors, change sets, and the data of others in them. Out: harmless lines on stderr and stdout, Markdown for the job
// summary, YAML and JSON. It imports access, parallel, problem, rules and token.
package console
