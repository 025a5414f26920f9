// Package rehearsal asks a dry API server for everything that a run would ask of it, and creates
// nothing.
//
// In: what was observed, the planned changes, and the rights that a run needs. Out: the first
// refusal, and a note where the run would have to wait. It imports access, client,
// client/discovery, client/explain, client/review, console, kube, lease/lock, mint/changes,
// mint/credential, mint/entry, problem and rights.
package rehearsal
