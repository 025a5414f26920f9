// Package manifest derives the rules that a deployer of manifests needs, without a cluster.
//
// In: the text of manifests, as `helm template` and `kustomize build` print them, and how they are
// deployed. Out: rules by namespace with the objects that each is for, and comments on what
// manifests cannot show. It is pure: no client, no clock, no os. It imports
// rules/names and rules/needs.
package manifest
