// Package lock has the access of a ServiceAccount change under one run at a time, and never under a
// live credential that was promised another one (docs/adr/0007-access-lock.md).
//
// In: a ServiceAccount, the hash of the access that a run declares, and a client of the API server.
// Out: whether the run may go on, and who is in its way. It imports access, kube, owner and
// problem.
package lock
