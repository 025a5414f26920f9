// Package kube is the vocabulary of API objects: the kinds that kubemint handles, their names, and
// what roles and bindings hold.
//
// In and out: API objects. It imports no other room.
package kube
