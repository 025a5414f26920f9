// Package access decides what has to change on the cluster so that the pipeline has exactly the
// access it declares.
//
// In: the declared access, the marks of the run, and what was observed. Out: a [Plan], or the
// refusal to touch somebody else's objects. It is pure: no client, no clock, no os. It imports
// access/naming, access/reach, config, kube, owner, problem and rules.
package access
