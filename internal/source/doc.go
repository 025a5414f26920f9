// Package source finds the runner's own credential and makes a [rest.Config] of it.
//
// In: the inputs of the source, the environment and the job's own OIDC token as functions, and
// files. Out: a [Source], which is the client's configuration and what the written kubeconfig takes
// over, or an error of exit code 3. [Load] sends nothing. [Source.Authenticate] requests the token
// of a source that has none in its kubeconfig.
//
// A kubeconfig is untrusted code. Only the cluster and the user of the chosen context are kept. A
// program that it names is never run: client-go does not see the stanza, and the rooms below
// source/cloud make the tokens of EKS, GKE and AKS instead. source/trust decides which server may
// have such a token, source/confine which files a kubeconfig may name. Sizes are bounded. An error
// shows nothing of a kubeconfig but the names of entries and programs. Stricter than kubectl: plain
// http, skipped TLS verification and a user without a credential are refused.
//
// It imports disk, output/receipt, problem, secret, source/bearer, source/certs, source/cloud,
// source/cloud/plugin, source/confine, source/form, source/idtoken, source/program and source/trust.
package source
