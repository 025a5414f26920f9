//go:build !linux

package process

// Reap has nothing to do: only Linux has containers whose process 1 this program could be.
func Reap(int) (stop func()) { return func() {} }
