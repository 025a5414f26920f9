// Package cloud chooses the room that makes a cluster's token: eks, gke or aks.
//
// In: the [plugin.Stanza] of a kubeconfig, which is untrusted, and the [plugin.Runner]. Out: a
// [plugin.Login], or an error of exit code 3. A program that none of the three rooms replaces has
// no login.
//
// It imports client/wire, source/cloud/aks, source/cloud/eks, source/cloud/gke, source/cloud/plugin
// and source/program.
package cloud
