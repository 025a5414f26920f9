// Package idtoken reads what a job's ID token says of itself, so that a refusal shows it: an API
// server says only that it does not accept a token.
//
// In: a login that requests ID tokens. Out: the same login, and lines and hints for an error. The
// claims that it shows are not secret. It imports problem, secret, source/bearer and source/issuer.
package idtoken
