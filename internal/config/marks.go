package config

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// mostOfOwner bounds the owner: it is an annotation, and part of messages.
const mostOfOwner = 253

func parseOwner(c *checker, in Input, value string) string {
	owner := parseLine(c, in, value)
	if len(owner) > mostOfOwner {
		c.addFault(in.Name, owner, "is too long",
			"an owner has at most 253 bytes: write a name or an id, such as acme/shop")
	}
	return owner
}

// reservedLabels are the keys that no input may set, each with the reason; one that ends in / is a
// prefix.
var reservedLabels = []struct{ key, why string }{
	{"app.kubernetes.io/managed-by", "is kubemint's own: objects are found by it"},
	{"kubemint/", "is kubemint's own: objects are found by it"},
	{
		"rbac.authorization.k8s.io/",
		"would add the declared rules to other ClusterRoles, such as edit, and so to other people's access",
	},
}

func parseLabels(c *checker, _ Input, value string) map[string]string {
	var labels map[string]string
	separates := func(r rune) bool { return strings.ContainsRune(",\n\r", r) }
	for _, entry := range strings.FieldsFunc(value, separates) {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		key, text, found := strings.Cut(entry, "=")
		key = strings.TrimSpace(key)
		text = strings.TrimSpace(text)
		before, twice := labels[key]
		switch {
		case !found:
			c.addFault("labels", entry, "has no =",
				"write key=value, comma or newline separated, as in team=web")
		case !c.checkLabelKey(key), !c.checkLabelValue(entry, text):
		case twice && before != text:
			c.addFault(
				"labels", entry, "sets the label a second time, to another value", "leave one of the two out",
			)
		case labels == nil:
			labels = map[string]string{key: text}
		default:
			labels[key] = text
		}
	}
	return labels
}

func (c *checker) checkLabelKey(key string) bool {
	for _, reserved := range reservedLabels {
		own := strings.ToLower(key)
		within := strings.HasSuffix(reserved.key, "/") && strings.HasPrefix(own, reserved.key)
		if own == reserved.key || within {
			c.addFault("labels", key, reserved.why, "leave it out")
			return false
		}
	}
	faults := validation.IsQualifiedName(key)
	if len(faults) > 0 {
		c.addFault("labels", key, "is not the key of a label",
			"a key has letters, digits, dashes, underscores and dots, at most 63, "+
				"maybe after a domain: example.com/team")
	}
	return len(faults) == 0
}

func (c *checker) checkLabelValue(entry, value string) bool {
	faults := validation.IsValidLabelValue(value)
	if len(faults) > 0 {
		c.addFault("labels", entry, "has a value that a label cannot have",
			"a value has letters, digits, dashes, underscores and dots, at most 63; "+
				"it begins and ends with a letter or digit")
	}
	return len(faults) == 0
}
