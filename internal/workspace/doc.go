// Package workspace says what a pull request can have written: the directories that hold the
// checkout.
//
// In: the directories that the CI system names, the working directory and the home directory. Out:
// [Dirs], which answer whether a path lies in the checkout. Where that cannot be known the guess is
// the larger one: to take a trusted file for a pull request's costs an input, and to take a pull
// request's file for a trusted one costs a credential.
//
// It imports disk.
package workspace
