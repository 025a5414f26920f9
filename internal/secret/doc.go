// Package secret holds a token so that it does not print, and reads what the token says of itself.
//
// In: a string. Out: a [Value], which only Reveal turns back into a string, and unverified
// [Claims]. It imports no other room.
package secret
