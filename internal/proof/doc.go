// Package proof asks the API server, as the new credential, who it is and what it may do.
//
// In: the credential's client, and what was declared. Out: an error when something was disproved,
// and a list of what stays unproven: a server need not serve the reviews (Karpor's does not), and
// an account need not be allowed to send them. It imports access, access/naming, client,
// client/discovery, client/review, kube, problem and rules.
package proof
