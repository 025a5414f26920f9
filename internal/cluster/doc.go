// Package cluster talks to the API server: get, list, create, apply and delete of the few kinds that we need, with
// retries, and a refusal turned into a remedy.
//
// In: a rest.Config and access objects. Out: what was observed, or a [problem.Error]. It uses client-go's REST client
// with a scheme of five API groups, since the full clientset doubles the binary and its start. It imports access,
// discovery, parallel, problem, rules and wire.
package cluster
