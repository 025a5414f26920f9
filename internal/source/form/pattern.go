package form

import (
	"regexp"
)

const byteOrderMark = "\ufeff"

// matchesPattern compiles the pattern on use, so that runs with a good kubeconfig do not pay for
// it.
func matchesPattern(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

const (
	packed       = `^(?:\x1f\x{fffd}|PK\x03\x04|\x00GITCRYPT\x00)`       // \x{fffd}: not UTF-8
	jsonWebToken = `^eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$` //nolint:gosec // a pattern
)
