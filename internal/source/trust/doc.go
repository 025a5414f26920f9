// Package trust decides which cluster may have the runner's credential.
//
// In: the [Policy] of a run, which is `expect_cluster` and the workspace, and the entries of a
// kubeconfig. Out: nil, or a refusal of exit code 3 that says how to vouch for the cluster. Nothing
// is read or sent.
//
// It imports problem, source/certs, source/cloud/plugin and workspace.
package trust
