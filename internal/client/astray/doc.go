// Package astray explains connection failures whose own words mislead.
//
// In: an error of net/http and the server's address. Out: the real cause, and its remedy. The room
// changes for one reason: another transport error turns out to mislead.
//
// It imports client/wire and problem.
package astray
