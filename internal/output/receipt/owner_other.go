//go:build !unix

package receipt

import "io/fs"

// On Windows the directory for temporary files is the user's own.
func userID() string { return "user" }

func private(fs.FileInfo) bool { return true }

func anothers(string) bool { return false }
