// Package learn hands a command's requests on to the API server and notes which right each one
// takes.
//
// A [Proxy] listens on loopback with a certificate and a bearer token of its own, both in memory
// alone. It hands each request on with the credential of its upstream, which the command never
// sees. A [Record] keeps verb, group, resource, subresource, name, namespace and status of each
// request: never a body, a header or the value of a query. In: a transport that is authenticated.
// Out: the rules that the requests took. It imports client/wire, rules, rules/manifest, rules/needs and
// rules/syntax.
package learn
