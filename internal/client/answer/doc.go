// Package answer says what a failed request means: what the API server refused, or whether it may
// have carried the request out.
//
// In: the error of a request. Out: yes or no, and the server's status. It imports client/discovery,
// client/explain and client/wire.
package answer
