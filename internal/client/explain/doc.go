// Package explain reads what an API server says when it refuses an identity: which right is
// missing, and who can grant it.
//
// In: the Status of a 403. Out: the cause of an error, with the rules to add. It imports console,
// problem and rules.
package explain
