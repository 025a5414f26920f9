// Package aks makes the token that `kubelogin get-token` prints.
//
// In: a stanza that names Azure's kubelogin. Out: a login whose token is one of Entra's. The modes
// that need a person are refused with the way to one that works in a pipeline.
//
// It imports problem, secret, source/cloud/plugin and source/program.
package aks
