// Package eks makes the token that `aws eks get-token` and `aws-iam-authenticator token` print.
//
// In: a stanza that names one of them. Out: a login whose token is a signed request for the
// caller's identity. Keys come from the environment, from a web identity or from the container's
// endpoint; files of profiles are never read, since they can name programs to run.
//
// It imports problem, secret and source/cloud/plugin.
package eks
