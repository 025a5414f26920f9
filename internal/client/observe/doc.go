// Package observe reads from the cluster what a plan has to know.
//
// In: a client as the runner, and the desired access. Out: the objects that exist already, and
// notes on what could not be looked for. It imports access, client, kube, parallel and problem.
package observe
