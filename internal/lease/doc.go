// Package lease makes and checks one credential: its Lease, and the token that is bound to it.
//
// A lease is a coordination.k8s.io Lease that owns an empty Secret, and the token is bound to that
// Secret: when the Lease is deleted, the garbage collector deletes the Secret, and the token dies
// with it. So no runner needs a right to read or delete Secrets. In: objects and an [API] to send
// them with. Out: a [Minted] token, checked before it is used. It imports kube, lease/leasename,
// owner, problem and secret.
package lease
