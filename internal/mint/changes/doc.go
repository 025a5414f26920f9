// Package changes makes the planned changes on the cluster, many at once, and keeps the outcome of
// each.
//
// In: changes of a plan. Out: nothing, or an error for each that failed; a [Ledger] says what was
// done. It imports access, client, client/answer, console, kube and problem.
package changes
