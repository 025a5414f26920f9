// Package kube is the vocabulary of API objects: the kinds that kubemint handles, their names, and
// the labels and annotations that mark them.
//
// In and out: API objects. It imports no other room.
package kube
