// Package plugin is the vocabulary of the rooms eks, gke and aks: what a kubeconfig says about its
// credential plugin ([Stanza]), what this process was given ([Runner]), and the [Login] that
// replaces the plugin. No program is ever run.
//
// Nothing is read and nothing is sent before [Login.Token] is called. Whether the cluster's server
// may have the token is for the caller to decide.
//
// A stanza decides which identity is asked for, never where a secret of the runner is sent:
// endpoints are the clouds' own. What a stanza says and these rooms do not know is refused by its
// name.
//
// It imports client/wire, problem and secret.
package plugin
