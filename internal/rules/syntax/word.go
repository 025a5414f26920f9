package syntax

import (
	"regexp"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/names"
)

func isKnownVerb(verb string) bool {
	return verb == "*" || slices.Contains(names.ResourceVerbs, verb) ||
		slices.Contains(names.URLVerbs, verb) ||
		regexp.MustCompile(names.ComposedVerb).MatchString(verb)
}

func isKnownResource(word string) bool {
	t := resolveWord(word)
	return slices.Contains(names.Builtin[t.Group], t.Resource)
}

func allWords(words []string, is func(string) bool) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return word != "" && !is(word) })
}

// resolveWord makes a target of a word of the second column.
func resolveWord(word string) rules.Target {
	if strings.HasPrefix(word, "/") {
		return rules.Target{URL: word}
	}
	head, sub, slash := strings.Cut(word, "/")
	resource, group, dot := strings.Cut(head, ".")
	if !dot {
		group = names.GroupOf(resource)
	}
	if slash {
		resource += "/" + sub
	}
	return rules.Target{Group: group, Resource: resource}
}
