// Package parallel does a bounded number of things at once.
//
// In: how many, and what to do for each. Out: every error, joined in order. It imports no other
// room.
package parallel
