// Package issuer knows the CI systems whose ID tokens an API server can trust: their issuers, and
// the claims that tell a job's repository by an id that no other repository ever has.
//
// In: the URL of an instance, as a job's environment has it. Out: the [Systems], each with its
// issuer and its claims. It imports no other room.
package issuer
