// Package metadata names the labels and annotations on everything that kubemint makes, and
// recognises an object by them.
//
// In: a ServiceAccount or an object. Out: labels, or yes or no. It is pure. It imports no other
// room.
package metadata
