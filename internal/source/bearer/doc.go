// Package bearer keeps a source's token fresh: it requests the first token, adds the current one to
// each request, and requests the next before it expires.
//
// In: a [Login] and a function that masks. Out: a wrapper for a client's transport. Each token is
// masked before it is used. It imports problem, secret and source/certs.
package bearer
