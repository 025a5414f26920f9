// Package app knows the order of things, and nothing else does: one file a command, and beside them what commands share
// (the log, the written files, the receipt's life).
//
// In: the process (arguments, environment, streams). Out: an exit code. It imports every other room.
package app
