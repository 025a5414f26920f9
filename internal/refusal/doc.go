// Package refusal reads what an API server says where it refuses an identity: which right is missing, and what
// would be refused next.
//
// In: the Status of a 403, and the rights that a run takes. Out: the cause of an error, with the rules to add
// and who can add them. It imports access, console, parallel, problem, rules and token.
package refusal
