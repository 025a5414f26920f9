// Package session holds what one command knows of its process, its job and its inputs, and reads
// the source.
//
// In: the process. Out: a [Session], a source, connections as the runner. It imports client,
// client/connect, client/explain, client/trace, client/wire, config, console, kube, kubeconfig,
// output, output/receipt, owner, platform, problem, secret, source, source/authority, source/trust
// and workspace.
package session
