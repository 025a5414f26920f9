// Package lock lets one run at a time change the access of a ServiceAccount, and never while a live
// credential depends on other access (docs/adr/0007-access-lock.md).
//
// In: a ServiceAccount, the hash of the access that a run declares, and a client of the API server.
// Out: whether the run may go on, and who is in its way. It imports access, kube, owner and
// problem.
package lock
