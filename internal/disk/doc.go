// Package disk reads files that somebody named: of bounded size, and without hanging on a pipe or a
// device.
//
// In: a path. Out: the content, or a cause with a remedy. The functions for sources keep the path
// out of their errors, since it may be a secret in the wrong field.
//
// It is a leaf: it imports no other room.
package disk
