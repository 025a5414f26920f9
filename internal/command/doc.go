// Package command has one file a verb. A verb reads the inputs, opens the source, calls a room and
// says what came of it; nothing else knows the process.
//
// In: the process (arguments, environment, streams). Out: an exit code. It imports access,
// access/naming, access/reach, client, client/answer, client/connect, client/observe,
// command/bootstrap, command/bootstrap/check, command/bootstrap/cluster, command/bootstrap/trust,
// command/child, command/process, command/revocation, command/session, command/usage, config,
// console, kube, kubeconfig, learn, lease/leasename, mint, mint/deliver, mint/entry, output,
// output/private, output/receipt, problem, revoke/leftover, revoke/prune, revoke/sweep,
// rules/manifest, rules/needs, rules/syntax, secret, source and source/certs.
package command
