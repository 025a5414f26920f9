// Package needs is a list of rules by place with what each is for: how `kubemint rules` and
// `kubemint learn` print what a deployer needs.
//
// In: rules by namespace. Out: lines of the shorthand to paste, or those that declared rules lack.
// It is pure: no client, no clock, no os. It imports rules and rules/syntax.
package needs
