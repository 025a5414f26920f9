package mistyped

import (
	"regexp"
	"strings"

	"github.com/kubemint/kubemint/internal/problem"
)

// Explain turns what yaml.v2 says of a field into what to write: "line 2: field vrbs not found in
// type syntax.policyRule", "line 1: cannot unmarshal !!str `get` into []string".
func Explain(text string) string {
	const mistyped = "^(line [0-9]+: )cannot unmarshal !!([a-z]+)(?: (`.*`))? into (.+)$"
	said := regexp.MustCompile(mistyped).FindStringSubmatch(text)
	if said == nil {
		field, of, _ := strings.Cut(text, " in type ")
		return field + fieldRemedy(field, of)
	}
	where := said[1]
	found := typeNames[said[2]]
	value := said[3]
	wanted := "an object"
	switch {
	case strings.HasPrefix(said[4], "[]"):
		wanted = "a list"
	case said[4] == "string":
		wanted = "a string"
	}
	switch {
	case found == "":
		found = "a value of another type"
	case value != "":
		value += " is "
	}
	remedy := ""
	switch {
	case said[4] == "[]string":
		remedy = ", as in verbs: [get, list]"
	case said[4] == "syntax.policyRule" && said[2] == "str":
		remedy = ": lines of the shorthand have no dash before them"
	}
	return where + value + found + " where " + wanted + " belongs" + remedy
}

var typeNames = map[string]string{
	"str": "a string", "int": "a number", "float": "a number", "bool": "a boolean",
	"map": "an object", "seq": "a list",
}

// fieldRemedy says what to write instead of a field that rules do not have.
func fieldRemedy(field, of string) string {
	name, ok := strings.CutPrefix(field[strings.Index(field, ": ")+1:], " field ")
	name, missing := strings.CutSuffix(name, " not found")
	if !ok || !missing {
		return ""
	}
	if name == "cluster" {
		return ": YAML has no word for it. In the shorthand the word has no colon, " +
			"as in cluster get,list nodes"
	}
	known := []string{"apiVersion", "kind", "metadata", "rules", "items"}
	if of == "syntax.policyRule" {
		known = []string{"verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs"}
	}
	for _, near := range known {
		if strings.EqualFold(near, name) || problem.NearestWord(strings.ToLower(name), known) == near {
			return ": did you mean " + near + "?"
		}
	}
	return ""
}
