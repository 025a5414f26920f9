// Package receipt is the record of what a run made, so that revoke can take it back: versioned
// JSON, mode 0600, never with a secret in it.
//
// A [Store] says where it lies: next to the written kubeconfig, or, if that is in the workspace, in
// a directory that a pull request cannot write to. On GitHub the step state holds it as well. It is
// data, never authority: names, marks and UIDs are checked on the server before anything is
// deleted. In: a [Receipt] and the path of its kubeconfig. Out: bytes, or the record. It imports
// disk.
package receipt
