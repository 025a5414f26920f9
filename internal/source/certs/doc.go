// Package certs reads the certificates and keys that a kubeconfig or an input holds.
//
// In: bytes. Out: of a certificate authority those certificates that can be used, as kubectl uses
// them, with the reason for each that is left out; of a client certificate and its key whether they
// are a pair. What cannot be used is named by its fault, with the command that mends it. Nothing of
// the content is in an error. The room changes for one reason: what PEM can hold.
//
// It imports problem.
package certs
