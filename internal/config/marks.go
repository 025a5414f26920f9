package config

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// Marks are what the user wants written on everything that is made.
type Marks struct {
	Owner  string            // on whose behalf; "" is what the platform says
	Labels map[string]string // beside kubemint's own
}

// mostOfOwner bounds the owner: it is an annotation, and part of messages.
const mostOfOwner = 253

func (c *checker) owner(value string) string {
	owner := c.line("owner", value)
	if len(owner) > mostOfOwner {
		c.fault("owner", owner, "is too long",
			"an owner has at most 253 bytes: write a name or an id, such as acme/shop")
	}
	return owner
}

// reservedLabels are the keys that no input may set, each with the reason; one that ends in / is a prefix.
var reservedLabels = []struct{ key, why string }{
	{"app.kubernetes.io/managed-by", "is kubemint's own: objects are found by it"},
	{"kubemint/", "is kubemint's own: objects are found by it"},
	{
		"rbac.authorization.k8s.io/",
		"would add the declared rules to other ClusterRoles, such as edit, and so to other people's access",
	},
}

func (c *checker) labels(value string) map[string]string {
	var labels map[string]string
	separates := func(r rune) bool { return strings.ContainsRune(",\n\r", r) }
	for _, entry := range strings.FieldsFunc(value, separates) {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		key, text, found := strings.Cut(entry, "=")
		key, text = strings.TrimSpace(key), strings.TrimSpace(text)
		before, twice := labels[key]
		switch {
		case !found:
			c.fault("labels", entry, "has no =",
				"write key=value, comma or newline separated, as in team=web")
		case !c.labelKey(key), !c.labelValue(entry, text):
		case twice && before != text:
			c.fault("labels", entry, "gives the label another value than before", "leave one of the two out")
		case labels == nil:
			labels = map[string]string{key: text}
		default:
			labels[key] = text
		}
	}
	return labels
}

func (c *checker) labelKey(key string) bool {
	for _, reserved := range reservedLabels {
		own := strings.ToLower(key)
		within := strings.HasSuffix(reserved.key, "/") && strings.HasPrefix(own, reserved.key)
		if own == reserved.key || within {
			c.fault("labels", key, reserved.why, "leave it out")
			return false
		}
	}
	faults := validation.IsQualifiedName(key)
	if len(faults) > 0 {
		c.fault("labels", key, "is not the key of a label",
			"a key has letters, digits, dashes, underscores and dots, at most 63, "+
				"maybe after a domain: example.com/team")
	}
	return len(faults) == 0
}

func (c *checker) labelValue(entry, value string) bool {
	faults := validation.IsValidLabelValue(value)
	if len(faults) > 0 {
		c.fault("labels", entry, "has a value that a label cannot have",
			"a value has letters, digits, dashes, underscores and dots, at most 63; "+
				"it begins and ends with a letter or digit")
	}
	return len(faults) == 0
}
