// Package connect opens connections to an API server: as the runner, and as the new credential.
//
// In: a rest.Config or what the written kubeconfig will say. Out: a client, or the connections over
// which the credential is proved. It imports client, client/trace, kubeconfig, problem and secret.
package connect
