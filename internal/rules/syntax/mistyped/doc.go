// Package mistyped says in words for a person what the YAML decoder says of a field that rules do
// not have, or of a value of the wrong type.
//
// In: a line of the decoder's. Out: the same, with what to write. It imports problem.
package mistyped
