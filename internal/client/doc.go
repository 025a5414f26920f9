// Package client talks to the API server: get, list, create, apply and delete of the few kinds that
// kubemint handles, with retries.
//
// In: a rest.Config and objects. Out: what was observed, or a [problem.Error] that says what a
// refusal means. It uses client-go's REST client with a scheme of five API groups, since the full
// clientset doubles the binary and its start. It imports client/answer, client/astray,
// client/discovery, client/explain, client/wire, kube, problem and rules.
package client
