// Package mint runs the phases of a run: [Run] lists them. Each takes values and returns values;
// the undo stack gets an entry before each request that makes something.
//
// In: a [Job], and the [deliver.Destination] of the credential. Out: the credential, or an error
// after everything of it was taken back. It imports access, access/outlive, client, client/answer,
// client/connect, client/explain, client/observe, client/review, config, console, kube, kubeconfig,
// lease, lease/lock, mint/changes, mint/credential, mint/deliver, mint/entry, mint/rehearsal,
// mint/undo, output, output/receipt, platform, problem, proof, revoke, revoke/prune, rights,
// rights/lacking, rules and secret.
package mint
