// Package review asks the API server what the asking identity may do: all that it may in a
// namespace, or one right at a time where another authorizer decides too.
//
// In: the identity's client, and rules. Out: rules. Reviews change nothing. It imports kube and
// rules.
package review
