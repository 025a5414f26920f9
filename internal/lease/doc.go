// Package lease is the life of one credential: the Lease that it hangs on, and the token that is
// bound to it.
//
// A lease is a coordination.k8s.io Lease that owns an empty Secret, and the token is bound to that
// Secret: deleting the Lease has the garbage collector delete the Secret, and the token dies with
// it. So nobody needs a right to read or delete Secrets. In: objects and an [API] to send them
// with. Out: a [Minted] token, checked before it is used. It imports kube, owner, problem and
// secret.
package lease
