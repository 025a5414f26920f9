// Package output handles the files that a run leaves on this machine. It decides whether the file
// at the output is ours, writes files, keeps a second run from writing at the same time, and finds
// the receipt.
//
// In: paths and contents. Out: files, or an error that says what is in the way. It imports disk,
// kubeconfig, output/private, output/receipt, platform, problem, secret and workspace.
package output
