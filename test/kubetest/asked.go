package kubetest

import (
	"slices"
	"strings"
)

// Deletions returns the objects that the requests of a [Fake] delete.
func Deletions(asked []string) (deleted []string) {
	for _, one := range asked {
		if rest, ok := strings.CutPrefix(one, "delete "); ok {
			deleted = append(deleted, rest)
		}
	}
	return deleted
}

// FirstAt is the index of the first request with the prefix, -1 without one.
func FirstAt(asked []string, prefix string) int {
	return slices.IndexFunc(asked, func(one string) bool { return strings.HasPrefix(one, prefix) })
}
