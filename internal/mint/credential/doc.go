// Package credential makes the credential: the lease, the Secret that the token is bound to, and
// the token; or the Secret that holds a permanent token. Each step takes a [Tether] and returns the
// next one.
//
// In: what is declared, and the undo stack, which gets an entry before each request. Out: a token
// that is masked. It imports access, client, client/answer, client/discovery, client/explain,
// config, console, kube, lease, mint/undo, output/receipt, problem, revoke and secret.
package credential
