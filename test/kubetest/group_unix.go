//go:build unix

package kubetest

import "syscall"

// ownGroup gives a part a process group of its own, so that Ctrl-C reaches the test process alone, and a part never dies
// before it is told to take its data along.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
