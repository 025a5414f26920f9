// Package house checks the rules that keep the program readable: which room may import which, who writes to a cluster
// or reveals a secret, how large a function, a file, a room and the auditor's path may be, and how the code reads.
//
// In: the repository's Go files and pages, parsed and not compiled. Out: findings and figures. No place may break a rule,
// and the figures may only get closer to their targets:
//
//	go test ./test/house                      # checks
//	go test ./test/house -update              # writes the imports and the figures as they are now
//	go run ./test/house/figures               # prints the figures
//
// It may import the standard library alone.
package house
