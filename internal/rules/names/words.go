package names

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

// QuoteWord quotes what the user wrote. A file that was named by mistake may hold a secret, and a
// line of it is long.
func QuoteWord(word string) string {
	if len(word) > 64 {
		word = word[:61] + "..."
	}
	return strconv.Quote(word)
}

// HasResource reports whether the group can have the resource (without subresource): known, or not
// for us to know.
func HasResource(group, resource string) bool {
	known, ours := Builtin[group]
	return !ours || resource == "*" || slices.Contains(known, resource)
}

// IsKnown reports whether some built-in group has the resource (without subresource).
func IsKnown(resource string) bool {
	return slices.ContainsFunc(
		ListGroups(), func(group string) bool { return HasResource(group, resource) },
	)
}

// ListGroups are the built-in ones, the core group first.
func ListGroups() []string { return slices.Sorted(maps.Keys(Builtin)) }

// GroupOf is the group of a resource that is named without one: the core group where no other is
// known to have it.
func GroupOf(resource string) string {
	for _, group := range ListGroups() {
		if HasResource(group, resource) {
			return group
		}
	}
	return ""
}

// SuggestResource returns, in the shorthand, the built-in resource that was probably meant by a
// short name, a kind, a singular or a slip, or in another group; of two equally near ones that of
// the given group. It is "" where none is near.
func SuggestResource(word, group string) string {
	if long, ok := shortNames[strings.ToLower(word)]; ok {
		word = long
	}
	all := slices.Clone(Builtin[group])
	for _, other := range ListGroups() {
		all = append(all, Builtin[other]...)
	}
	near := NearestWord(word, all)
	if near == "" {
		return ""
	}
	if !slices.Contains(Builtin[group], near) {
		group = GroupOf(near)
	}
	return JoinGroup(group, near)
}

// NearestWord is problem.Nearest in whatever case the word is written.
func NearestWord(word string, among []string) string {
	return problem.NearestWord(strings.ToLower(word), among)
}

// JoinGroup is a resource, subresource included, and its group as the shorthand writes them.
func JoinGroup(group, resource string) string {
	head, sub, slash := strings.Cut(resource, "/")
	if group != "" {
		head += "." + group
	}
	if slash {
		head += "/" + sub
	}
	return head
}
