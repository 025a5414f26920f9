// Package prune takes back what kubemint made for a ServiceAccount: the access that is declared no
// longer, an account that moved, or everything.
//
// In: a client as the runner, and what this run declares, with the marks of its owner. Out: a line
// for each object that is gone, and an error for each that had to stay. It imports access, client,
// client/answer, client/discovery, client/observe, console, kube, lease/leasename, lease/lock,
// owner, parallel, problem and revoke.
package prune
