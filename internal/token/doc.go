// Package token is the life of one credential: the secret itself, the lease that it hangs on, mint, proof, revocation.
//
// A lease is a coordination.k8s.io Lease that owns an empty Secret, and the token is bound to that Secret: deleting the
// Lease has the garbage collector delete the Secret, and with it the token dies. So nobody needs a right to read or
// delete Secrets. In: objects and an [API] to send them with. Out: a [Token] that does not print. It imports access,
// problem and rules, and no client.
package token
