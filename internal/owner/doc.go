// Package owner says on whose behalf a run acts, and whether an object is that owner's.
//
// In: what the platform and the user say of the run, and an object. Out: the marks that everything
// made bears, and yes or no. It is pure. It imports kube and problem.
package owner
