// Package program knows the programs that kubeconfigs name for a login and that kubemint does not
// replace.
//
// In: the name of the program of an exec stanza, or of an auth-provider, and its arguments. Out:
// what it is, and a command for an earlier step that ends in a kubeconfig with a token. The room
// changes for one reason: a vendor has another program, or another command.
//
// It imports no other room.
package program
