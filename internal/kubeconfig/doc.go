// Package kubeconfig renders the file that the pipeline gets: one cluster, one user, one context,
// self- contained.
//
// In: address, trust and token. Out: YAML. It is pure and imports the room secret alone. Nothing of
// the source's user entry can get in, since a [Config] has no field for it.
package kubeconfig
