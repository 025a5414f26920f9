package learn

import "strings"

// spot is a resource, or URLs, in one place.
type spot struct{ namespace, group, resource string }

func compareSpots(a, b spot) int {
	return strings.Compare(a.group+" "+a.resource, b.group+" "+b.resource)
}
