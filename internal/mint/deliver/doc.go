// Package deliver hands the credential over: to a [File] for later steps of the job, or to the
// private [Directory] of one command. A [Destination] is a value, so the flow never asks which of
// them it has.
//
// In: a [Delivery]. Out: written files and outputs; what is written stands on the undo stack
// before. It imports access, access/reach, config, console, kube, kubeconfig, mint/credential,
// mint/undo, output, output/receipt, platform, problem, revoke and secret.
package deliver
