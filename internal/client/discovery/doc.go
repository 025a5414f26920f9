// Package discovery tells a part of the API that a server does not have from an answer that is not
// the server's.
//
// An API server answers a path that it does not serve like any web server: 404 in plain text, or
// its default page. So does a proxy or a login that answers in its place. Only an API server lists
// its API at /api and /apis, and the list says which parts it has. In: a way to read a path. Out:
// yes or no. It imports rules.
package discovery
