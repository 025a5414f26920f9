// Package rights lists the least rights with which the runner's identity can carry out a run: for
// bootstrap, which prints them, and for refusals, which say what is missing.
//
// In: the desired access, and the token. Out: rules by namespace. It is pure. It imports access,
// access/naming, access/reach, config, kube, lease/leasename, lease/lock and rules.
package rights
