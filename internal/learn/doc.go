// Package learn hands a command's requests on to the API server and notes which right each one
// takes.
//
// A [Proxy] listens on loopback with a certificate, whose key is in memory alone, and a bearer
// token of its own. It hands each request on with the credential of its upstream, which the command
// never sees. A [Record] keeps verb, group, resource, subresource, name, namespace and status of
// each request: never a body; of the headers the identity to act as, of the query the one name of a
// list. In: a transport that is authenticated. Out: the rules that the requests took. It imports
// client/wire, rules, rules/manifest, rules/needs and rules/syntax.
package learn
