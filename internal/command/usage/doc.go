// Package usage declares the commands of kubemint: their names, arguments and flags, each with its
// help.
//
// In: the words of the command line. Out: an [Invocation], the text of help, and errors that list
// what there is. README.md's table of commands and the words of the container's entrypoint are
// generated from the same table. It is pure: no client, no clock, no os. It imports problem.
package usage
