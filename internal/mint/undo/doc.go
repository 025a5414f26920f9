// Package undo is what a run has to take back if it fails. An entry stands on the stack before the
// request is sent that makes its subject, since an answer can be lost.
//
// In: entries. Out: whether anything is still alive, and the errors. It imports output,
// output/receipt, problem and revoke.
package undo
