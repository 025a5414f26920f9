// Package undo takes back what a run made if the run fails. An entry is pushed before the request
// that makes its subject is sent, since an answer can be lost.
//
// In: entries. Out: whether anything is still alive, and the errors. It imports output,
// output/receipt, problem and revoke.
package undo
