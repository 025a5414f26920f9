// Package rules compares RBAC rules, and prints them in the shorthand that package syntax reads.
//
// # Shorthand
//
// [Format] prints rules merged and in one order, whatever the order they came in; [FormatCluster]
// puts the word cluster before each. For all rules x that package syntax reads, reading Format(x)
// again grants what x grants, unless a word is printed in quotes, with the escapes of Go: the
// shorthand cannot say it. (A rule read from a server can name what nothing can match, such as a
// resource with a dot in it; that prints, and may not read back.)
//
// # What rules mean
//
// [Covers] and [Equal] compare what is granted as the API server's escalation check does.
// [Overlap] returns what two sets of rules both grant: every request that both would allow, and no
// other. [ListQuestions] takes rules apart into the questions of access reviews. [ListCaveats]
// warns of rules that seem to grant more than they do: creation or lists of named objects,
// resources of the cluster in a Role, exec by get alone, a group that is gone. [FindUnserved]
// compares resources that are not built in with those that a cluster serves.
//
// In: rules as the API has them. Out: rules, lines, or sentences for a person. The room is pure. It
// imports problem and rules/names.
package rules
