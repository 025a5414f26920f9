// Package trace logs each request to an API server at debug level, and keeps the API server's time.
//
// In: the configuration of a client. Out: a line for each request, never with a header or a body;
// the clock that decides what has expired. It imports console.
package trace
