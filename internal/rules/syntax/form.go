package syntax

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v2"

	"github.com/kubemint/kubemint/internal/rules/names"
)

// CheckForm says whether all of a text has the form of rules, whatever they mean. Its error says
// where it has not, and repeats nothing of the text. [ParseRules] quotes what it does not know:
// where it fails on a file that has not this form, its errors must not be shown.
//
// A .netrc or a wordlist, too, has two words a line. So a line may have a slip in its verbs or in
// its resources, and not in both; of the verbs for resources of other groups we know none.
func CheckForm(text string) error {
	if len(text) > maxText {
		return fmt.Errorf("it has %d bytes, the limit is %d", len(text), maxText)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	if isYAML.MatchString(text) {
		return checkYAMLForm(text)
	}
	for s := range splitStatements(text) {
		if !isRule(s.columns) {
			return fmt.Errorf("%s is not a rule", s.where)
		}
	}
	return nil
}

// Patterns for words of the shorthand. They are wider than what can exist, so that a slip is
// explained.
const (
	resourceForm = `^([A-Za-z0-9*][A-Za-z0-9.*-]*(/[A-Za-z0-9.*:-]*)?|/[A-Za-z0-9/._~*-]*)$`
	nameForm     = `^[A-Za-z0-9._:/@*-]+$`
	customForm   = `^[a-z][a-z0-9-]*(\.[a-z0-9-]+){2,}(/|$)` // widgets.example.com
)

// isRule says whether columns have the form of a rule.
func isRule(columns []string) bool {
	if len(columns) < 2 || len(columns) > 3 {
		return false
	}
	verbs := strings.Split(columns[0], ",")
	resources := strings.Split(columns[1], ",")
	if len(columns) == 3 &&
		!allWords(strings.Split(columns[2], ","), regexp.MustCompile(nameForm).MatchString) {
		return false
	}
	switch {
	case allWords(resources, isKnownResource):
		return allWords(
			verbs,
			func(verb string) bool {
				return isKnownVerb(verb) || names.NearestWord(verb, names.ResourceVerbs) != ""
			},
		)
	case allWords(resources, regexp.MustCompile(customForm).MatchString):
		plain := regexp.MustCompile(plainVerb)
		return allWords(
			verbs, func(verb string) bool { return isKnownVerb(verb) || plain.MatchString(verb) },
		)
	}
	return allWords(resources, regexp.MustCompile(resourceForm).MatchString) &&
		allWords(verbs, isKnownVerb)
}

// checkYAMLForm decodes as [builder.readYAML] does, and keeps the decoder's words to itself: they
// quote keys and values.
func checkYAMLForm(text string) error {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.SetStrict(true)
	passedOver := 0
	for number := 1; ; number++ {
		var d document
		err := decoder.Decode(&d)
		if errors.Is(err, io.EOF) && passedOver > 0 && passedOver == number-1 {
			return errors.New(
				"document 1 is neither a Role, nor a ClusterRole, nor a List of those, and no other is",
			)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && strings.HasSuffix(err.Error(), inValues) {
			return fmt.Errorf("document %d has rules below other words, %s", number, inValues)
		}
		if err != nil {
			where := regexp.MustCompile(`line \d+`).FindString(err.Error())
			if where == "" {
				where = fmt.Sprintf("document %d", number)
			}
			return fmt.Errorf(
				"%s is not YAML, or has a field that rules do not have, or one of another type",
				where,
			)
		}
		if !d.canHaveRules() {
			return fmt.Errorf(
				"document %d is neither a Role, nor a ClusterRole, nor a List of those", number,
			)
		}
		if d.isPassedOver() {
			passedOver++
		}
	}
}

// canHaveRules says whether the object, and all that it contains, is of a kind that has rules, or
// is passed over.
func (m manifest) canHaveRules() bool {
	other := func(item manifest) bool { return !item.canHaveRules() }
	return slices.Contains(kinds, m.Kind) && !slices.ContainsFunc(m.Items, other)
}

// isPassedOver says whether nothing of the object is read.
func (m manifest) isPassedOver() bool {
	read := func(item manifest) bool { return !item.isPassedOver() }
	return m.other != "" ||
		(len(m.Items) > 0 && len(m.Rules) == 0 && !slices.ContainsFunc(m.Items, read))
}
