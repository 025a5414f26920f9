// Package source finds the runner's own credential and makes a [rest.Config] of it.
//
// In: the inputs of the source, the environment as a function, files, and the job's own OIDC token as a
// function. Out: a [Source], which is the client's configuration and what the written kubeconfig takes
// over, or an error of exit code 3. [Load] sends nothing; [Source.Authenticate] asks for the token of a
// source that has none in its kubeconfig.
//
// A kubeconfig is untrusted code. Only the cluster and the user of the chosen context are kept. A program
// that it names is never run: client-go does not even get to see the stanza, and the room source/cloud
// makes the tokens of EKS, GKE and AKS instead. Which server may have such a token is decided here
// (release), and which file a kubeconfig may name (readNamed). Sizes are bounded. An error shows, of what a
// kubeconfig holds, the names of entries and programs and nothing else. Stricter than kubectl: plain http,
// skipped TLS verification and a user without credential are refused.
//
// It imports output/receipt, problem, secret, source/certs, source/cloud, source/disk,
// source/form, source/program and source/workspace.
package source
