// Package output is about the files that a run leaves on this machine: whose file lies at the
// output, how a file is written, who may write it now, and where its receipt lies.
//
// In: paths and contents. Out: files, or an error that says what is in the way. It imports disk,
// kubeconfig, output/private, output/receipt, platform, problem, secret and workspace.
package output
