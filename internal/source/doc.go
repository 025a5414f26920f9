// Package source finds the runner's own credential and makes a [rest.Config] of it.
//
// In: the inputs `kubeconfig`, `context` and `allow_insecure`, the environment as a function, and files. Out: a [Source],
// which is the client's configuration and what the written kubeconfig takes over, or an error of exit code 3.
//
// A kubeconfig is untrusted code. Only the cluster and the user of the chosen context are kept. A program that it names
// is never run: client-go does not even get to see the stanza. Sizes are bounded. An error shows, of what a kubeconfig
// holds, the names of entries and programs and nothing else. Stricter than kubectl: plain http, skipped TLS
// verification and a user without credential are refused.
//
// It may import the rooms problem, receipt and token.
package source
