// Package cluster asks the source's API server whether it can enforce a guard.
//
// In: the session, for its source. Out: an error where the server is too old. It sends one GET
// without a credential. It imports client/wire, command/session and problem.
package cluster
