// Package revoke ends a credential and sees its end: its lease is deleted, and the Secret that the token is
// bound to is gone.
//
// In: what is known of the credential, and the requests that it takes. Out: nothing where the end was seen,
// else an error that says what holds the credential. It imports kube and lease.
package revoke
