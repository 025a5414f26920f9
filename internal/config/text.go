package config

import (
	"errors"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// keepText keeps a value byte for byte.
func keepText(_ *checker, _ Input, value string) string { return value }

func trimText(_ *checker, _ Input, value string) string { return strings.TrimSpace(value) }

// parseBoolean accepts what GitHub's own toolkit does (getBooleanInput: YAML 1.2 core schema).
func parseBoolean(c *checker, in Input, value string) bool {
	switch strings.TrimSpace(value) {
	case "true", "True", "TRUE":
		return true
	case "false", "False", "FALSE":
		return false
	}
	c.addFault(in.Name, value, "is neither true nor false", "write true or false")
	return false
}

// parseOptional is parseBoolean for an input whose default is decided elsewhere: nil where it is
// not given.
func parseOptional(c *checker, in Input, value string) *bool {
	if strings.TrimSpace(value) == "" {
		return nil
	}
	return new(parseBoolean(c, in, value))
}

// parseSecond reports whether the value is the second of the input's two choices.
func parseSecond(c *checker, in Input, value string) bool {
	word := strings.TrimSpace(value)
	if !slices.Contains(in.Choices, word) {
		c.addFault(in.Name, value, "is not known", "write "+strings.Join(in.Choices, " or "))
	}
	return word == in.Choices[1]
}

// parseLine takes a value that has to fit on one line, since it goes into paths, outputs and logs.
func parseLine(c *checker, in Input, value string) string {
	value = strings.TrimSpace(value)
	if strings.ContainsFunc(value, unicode.IsControl) {
		c.addFault(in.Name, value, "holds a line break or another control character", "write it on one line")
	}
	return value
}

// parseHostPath drops the prefix that keeps GitHub's runner from translating the path for the
// container.
func parseHostPath(c *checker, in Input, value string) string {
	return strings.TrimPrefix(parseLine(c, in, value), "host:")
}

// splitWords splits at commas and white space and drops repeated words.
func splitWords(value string) []string {
	var words []string
	seen := map[string]bool{}
	separates := func(r rune) bool { return r == ',' || unicode.IsSpace(r) }
	for _, word := range strings.FieldsFunc(value, separates) {
		if !seen[word] {
			words = append(words, word)
		}
		seen[word] = true
	}
	return words
}

func parseNamespaces(c *checker, in Input, value string) []string {
	names := splitWords(value)
	for _, name := range names {
		if faults := validation.IsDNS1123Label(name); len(faults) > 0 {
			c.addFault(in.Name, name, "is not a namespace's name",
				"a namespace has lower-case letters, digits and dashes, at most 63")
		}
	}
	return names
}

func parseServiceAccount(c *checker, in Input, value string) types.NamespacedName {
	value = strings.TrimSpace(value)
	namespace, name, qualified := strings.Cut(value, "/")
	if !qualified {
		name = value
		namespace = ""
	} else if len(validation.IsDNS1123Label(namespace)) > 0 {
		c.addFault(in.Name, value, "does not begin with a namespace's name",
			"write `name`, or `namespace/name`")
	}
	if len(validation.IsDNS1123Subdomain(name)) > 0 {
		c.addFault(in.Name, value, "is not a ServiceAccount's name",
			"a ServiceAccount has lower-case letters, digits, dashes and dots; "+
				"write `name`, or `namespace/name`")
	}
	return types.NamespacedName{Namespace: namespace, Name: name}
}

func parseAudiences(c *checker, in Input, value string) []string {
	audiences := splitWords(value)
	for _, audience := range audiences {
		if strings.ContainsFunc(audience, unicode.IsControl) {
			c.addFault(in.Name, audience, "holds a control character")
		}
	}
	return audiences
}

// innermostCause is the last cause of a file error, without the path, which the message already
// has.
func innermostCause(err error) string {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err.Error()
}
