// Package private keeps the directories in which kubemint exec holds a live credential: made for
// one run, locked while it runs, removed at its end, or, where the run was killed, found and
// removed by a later one.
//
// It also has the file lock that keeps two runs from writing one output at the same time.
//
// In: the directories in which to make one, best first. Out: a directory of mode 0700. A lock says
// whether a directory is in use: the kernel releases it when its process ends. A process id would
// not do, since it is used again. It imports no other room.
package private
