//go:build !unix

package kubetest

import "syscall"

// ownGroup is nothing: there the control plane is not built, and this package compiles for the sake of `go build ./...`.
func ownGroup() *syscall.SysProcAttr { return nil }
