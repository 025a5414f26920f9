// Package revocation carries out the command revoke: it finds what an earlier mint of this job
// made, ends it, and deletes the files.
//
// In: the session, and the receipt that the mint left in the step state or in a file. Where the
// receipt is gone, the claims of the token in the kubeconfig take its place, once the API server
// has said that the token is its own. Out: an error for each credential that may live on. It
// imports client, client/connect, command/session, kubeconfig, lease/leasename, lease/lock, output,
// output/receipt, problem, proof, revoke, secret, source, source/certs and source/trust.
package revocation
