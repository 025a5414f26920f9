// Package child runs the command of exec or learn: it finds the program, clears the environment, forwards
// signals and returns the exit code.
//
// In: the command. Out: an exit code. It imports command/process, command/session, console, output,
// problem and source.
package child
