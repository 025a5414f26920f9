// Package cloud makes the token that the kubeconfig of an EKS, a GKE or an AKS cluster wants a program to
// print, and runs no program for it.
//
// In: the [Stanza] of a kubeconfig, which is untrusted, and what the [Runner] has: its environment, the
// job's own OIDC token, HTTP. Out: a [Login], which says for which servers its token is meant and makes one
// when asked, or an error of exit code 3. Nothing is read and nothing is sent before [Login.Token] is
// called, and nothing here runs for a kubeconfig without such a stanza. Whether the server may have the
// token is for the caller to say.
//
// A stanza decides which identity is asked for, never where a secret of the runner is sent: endpoints are
// the clouds' own. What it says and is not known here is refused by its name.
//
// It may import the rooms problem, source/program, token and wire.
package cloud
