// Package discovery tells a part of the API that a server does not have from an answer that is not
// the server's.
//
// An API server answers a path that it does not serve as any web server would: 404 in plain text,
// or with whatever page it has for the rest. So does a proxy or a login that answers in its place.
// What tells them apart is whether the server lists its API at /api and /apis, and what it lists.
// In: a way to read a path. Out: yes or no. It imports rules.
package discovery
