//go:build !unix

package receipt

import "io/fs"

// On Windows the directory for temporary files is the user's own.
func userID() string { return "user" }

func isPrivate(fs.FileInfo) bool { return true }

func isAnothers(string) bool { return false }
