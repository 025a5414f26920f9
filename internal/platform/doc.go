// Package platform knows where this process runs.
//
// A platform is one file, which makes a [Platform]: its [Facts] (what it calls the job, which paths
// survive the step and mean the same inside and outside a container, how results reach later steps)
// and its [Effects]. [Detect] chooses. Nothing else in the program asks which platform it is.
//
// In: the environment and the standard output. Out: a Platform. It imports client/wire, owner,
// problem and secret.
package platform
