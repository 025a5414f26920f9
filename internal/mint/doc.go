// Package mint is the flow of a run: [Run] is the list of its phases. Each takes values and returns
// values; what is made stands on the undo stack before its request is sent.
//
// In: a [Job], and the [Destination] of the credential. Out: the credential, or an error after
// which nothing of it is left. It imports access, access/outlive, client, client/answer,
// client/connect, client/explain, client/observe, client/review, config, console, kube, kubeconfig,
// lease, lease/lock, mint/changes, mint/credential, mint/deliver, mint/entry, mint/rehearsal,
// mint/undo, output, output/receipt, owner, platform, problem, proof, revoke, revoke/prune, rights,
// rights/lacking, rules and secret.
package mint
