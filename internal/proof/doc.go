// Package proof decides what a missing review means for a new credential.
//
// A server need not serve the reviews by which a credential is asked about itself (Karpor's does
// not), and an account need not be allowed to send them (where system:basic-user is bound to
// nobody). The credential is then proved as far as it can be: the API server takes its token, and
// refuses a broken one. The rest is unproven, which is said once. In: what the reviews failed with.
// Out: an error where something was disproved, and what stays unproven. It imports access, cluster,
// discovery, problem, rules and token.
package proof
