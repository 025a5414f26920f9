// Package names knows the verbs, groups and resources of Kubernetes itself, and which of them a
// misspelt word was probably meant to be.
//
// In: a word. Out: whether Kubernetes knows it, or the nearest word that it knows. The resources
// and kinds come from Kubernetes' own discovery documents: the gen folder here writes builtin.go,
// and its test fails where that is out of date. It imports problem.
package names
