// Package sweep deletes what runs left in a cluster that were killed before they could revoke:
// expired leases, ephemeral identities, and Secrets whose lease is gone. Of Secrets it reads
// metadata alone.
//
// In: a client as the runner, and a namespace. Out: a line for each object that is gone, and an
// error for each that had to stay. It imports access, client, client/answer, client/discovery,
// console, kube, lease, parallel and problem.
package sweep
