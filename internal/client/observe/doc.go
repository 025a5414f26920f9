// Package observe reads the cluster for a plan.
//
// In: a client as the runner, and the desired access. Out: the objects that exist already, and
// notes on objects that could not be looked for. It imports access, client, kube, parallel and
// problem.
package observe
