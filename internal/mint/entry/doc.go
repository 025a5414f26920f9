// Package entry makes a run wait until it may rely on the access of its ServiceAccount, or change
// it: no access changes under a live credential (docs/adr/0007-access-lock.md).
//
// In: the [State] that was observed. Out: the state to go on with, and the context to change the
// access under. It imports access, client/answer, client/discovery, console, kube, lease/leasename,
// lease/lock, mint/changes, mint/credential, mint/undo and problem.
package entry
