// Package leasename gives names to leases, to what only one run uses, and to the Secret of a
// permanent token, and recognises them.
//
// In: a ServiceAccount's name. Out: the name, or yes or no. It is pure. It imports no other room.
package leasename
