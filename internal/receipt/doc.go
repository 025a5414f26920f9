// Package receipt is the record of what a run made, so that revoke can take it back: versioned JSON, mode 0600, never
// with a secret in it.
//
// It lies beside the written kubeconfig ([Path]); on GitHub the step state holds it as well. It is data and not orders:
// whoever reads one checks names, marks and UIDs on the server before anything is deleted. In: a [Receipt] and a path.
// Out: bytes, or the record. It imports nothing of ours.
package receipt
