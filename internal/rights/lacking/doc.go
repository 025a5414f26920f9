// Package lacking completes a refusal of the API server with all that the runner's identity lacks
// for a first run, so that an administrator is asked once.
//
// In: the refusal, and the rights that a run needs. Out: the same error, with rules to paste. It
// asks the API server by reviews. It imports client/explain, client/review, console, parallel,
// problem, rights and rules.
package lacking
