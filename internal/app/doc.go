// Package app knows the order of things, and nothing else does: one file a command, and beside them what
// commands share (the log, the written files, the receipt's life).
//
// In: the process (arguments, environment, streams). Out: an exit code. It imports access, client,
// client/discovery, client/explain, client/trace, client/wire, command/bootstrap, command/process, config,
// console, kube, kubeconfig, lease, lease/lock, output/private, output/receipt, parallel, platform,
// problem, proof, revoke, revoke/prune, revoke/sweep, rules, secret, source and source/workspace.
package app
