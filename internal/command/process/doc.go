// Package process asks the kernel and Go's runtime for what the program itself needs. Above all,
// the command of kubemint exec or learn cannot read the source's credential from it, and it can be
// process 1 of a container.
//
// [Conceal] starts the program again without an environment and passes the environment in a sealed
// memory file: the environment that a process was started with can be read in /proc for as long as
// it lives, whatever the process does. [Reap] collects the orphans that process 1 inherits.
//
// In: the environment that the kernel gave main. Out: the same environment, orphans reaped. Only
// Linux needs either; elsewhere the room does nothing. It imports no other room, and
// golang.org/x/sys for the system calls.
package process
