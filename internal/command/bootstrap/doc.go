// Package bootstrap prints the least rights that a runner's identity needs for what is declared,
// for an administrator to review and apply.
//
// In: the declared access and token, and who gets the rights. Out: lines of YAML. It talks to no
// cluster. It imports access, access/reach, command/bootstrap/guard, command/bootstrap/trust,
// config, console, lease/leasename, lease/lock, problem and rights.
package bootstrap
