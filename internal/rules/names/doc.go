// Package names knows the verbs, groups and resources of Kubernetes itself, and which of them a
// misspelt word was probably meant to be.
//
// In: a word. Out: whether Kubernetes knows it, or the nearest word that it knows. The resources
// come from the discovery of an API server: "make generate" writes them. It imports problem.
package names
