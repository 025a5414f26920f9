// Package outlive finds declared access that lets a credential go on when its token has ended.
//
// In: the desired access, and the roles that were observed. Out: a warning that says what the
// access allows, or nothing. It is pure. It imports access, config and rules.
package outlive
