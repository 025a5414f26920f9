// Package problem is the error that a person reads: what was tried, why it failed, what to do, and
// the exit code.
//
// In: a cause and what the failing code was doing. Out: an [Error] that main prints once. It
// imports no other room.
package problem
