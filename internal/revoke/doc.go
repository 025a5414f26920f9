// Package revoke takes back what a run has made, and no other room does. It ends a credential and
// sees its end: its lease is deleted, and the Secret that the token is bound to is gone. Then it
// deletes what else the run's receipt names.
//
// In: a receipt, which is data and never authority, and the requests that it takes. Out: nothing
// where the end was seen, else an error that says what holds the credential. It imports access,
// access/naming, client, client/answer, kube, lease, lease/leasename, output/receipt, owner,
// parallel and problem.
package revoke
