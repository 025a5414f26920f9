// Package command has one file a verb. A verb reads the inputs, opens the source, calls a room and
// says what came of it; nothing else knows the process.
//
// In: the process (arguments, environment, streams). Out: an exit code. It imports access, client,
// client/connect, client/observe, command/bootstrap, command/bootstrap/cluster, command/child,
// command/process, command/session, command/usage, config, console, kube, kubeconfig, learn, lease,
// lease/lock, mint, mint/deliver, mint/entry, output, output/private, output/receipt, problem,
// proof, revoke, revoke/leftover, revoke/prune, revoke/sweep, rules/manifest, rules/needs,
// rules/syntax, secret, source, source/certs and source/trust.
package command
