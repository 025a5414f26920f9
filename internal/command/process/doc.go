// Package process is what the program asks of the kernel and of Go's runtime for itself: above all
// so that the command of kubemint exec cannot read the source's credential from it, and so that it
// can be process 1 of a container.
//
// [Conceal] starts the program again without an environment and gives the environment back by a
// sealed memory file: what a process was started with can be read in /proc for as long as it lives,
// whatever the process does. [Reap] collects the orphans that process 1 inherits.
//
// In: what the kernel gave main. Out: the same environment, orphans reaped. Linux alone has either;
// elsewhere there is nothing to do. It imports no other room, and
// golang.org/x/sys for the system calls.
package process
