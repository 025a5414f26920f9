// Package trust prints an API server's trust in the ID tokens of one repository: which tokens it
// accepts, and whom it takes their holder for.
//
// In: the flags of bootstrap, the environment of a job, and the audience of its tokens. Out: a
// comment with the configuration in it, and the subject for the bindings. It talks to no cluster
// and no CI system. It imports console, problem and source/issuer.
package trust
