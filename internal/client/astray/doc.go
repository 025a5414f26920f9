// Package astray explains those failures of a connection whose own words lead astray.
//
// In: an error of net/http and the server's address. Out: the cause as it is, and a remedy that
// helps against it. The room changes for one reason: another error of the transport turns out to
// say the wrong thing.
//
// It imports client/wire and problem.
package astray
