// Package disk reads the files of a source: of a bounded size, nothing that could hang, and with the path
// in no error.
//
// In: a path that somebody named. Out: bytes, or why not, with a remedy. The path is never in an error,
// since it may be a secret that stands in the wrong field. The room changes for one reason: what can lie at
// a path.
//
// It may import no other room.
package disk
