// Package leftover removes the private directories of `kubemint exec` whose runs were killed, and
// ends the leases that they name.
//
// In: where such directories are made. Out: an error for what is still alive or still there. It
// imports console, output, output/private, output/receipt, problem and revoke.
package leftover
