// Package platform knows where this process runs: what that platform calls the job, where a file survives
// the step, which paths mean the same inside and outside a container, and how results are handed to later
// steps.
//
// A platform is one file; [Detect] chooses. In: the environment and the standard output. Out: paths, marks,
// and what was published. It imports access, client/wire, problem and secret.
package platform
