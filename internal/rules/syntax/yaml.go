package syntax

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v2"

	"github.com/kubemint/kubemint/internal/rules/names"
)

// readYAML reads all documents. The decoder is yaml.v2, on which sigs.k8s.io/yaml stands: used
// directly, it reads every document instead of the first, heeds the case of fields, and its errors
// name lines. It bounds what aliases may repeat.
func (b *builder) readYAML(text string) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.SetStrict(true)
	for number := 1; !b.full; number++ {
		where := ""
		if number > 1 {
			where = fmt.Sprintf("document %d: ", number)
		}
		var d document
		err := decoder.Decode(&d)
		if errors.Is(err, io.EOF) {
			return
		}
		mistyped := &yaml.TypeError{}
		if err != nil && !errors.As(err, &mistyped) { // not YAML, and what follows cannot be read
			b.addFault("YAML", errors.New(strings.TrimPrefix(err.Error(), "yaml: ")+syntaxRemedy(text)))
			return
		}
		b.addManifest(where, d.manifest, mistyped.Errors)
	}
}

type document struct{ manifest }

// skipped takes any value, to find out what it stands in.
type skipped struct{}

// UnmarshalYAML does nothing.
func (*skipped) UnmarshalYAML(func(any) error) error { return nil }

// UnmarshalYAML decodes a list as rules and anything else as a manifest.
func (d *document) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&[]skipped{}) == nil {
		return unmarshal(&d.Rules)
	}
	err := unmarshal(&d.manifest)
	var tree map[string]any
	if mistyped := (*yaml.TypeError)(nil); d.Kind == "" && errors.As(err, &mistyped) {
		_ = unmarshal(&tree) // its faults are reported already
		if path := nestedRules(tree, 0); path != "" {
			mistyped.Errors = []string{
				fmt.Sprintf("the rules are at %s, %s", names.QuoteWord(path), inValues),
			}
		}
	}
	return err
}

// UnmarshalYAML looks at the kind first: an object that has no rules may have any fields.
func (m *manifest) UnmarshalYAML(unmarshal func(any) error) error {
	var head struct {
		APIVersion string             `yaml:"apiVersion"`
		Kind       string             `yaml:"kind"`
		Rest       map[string]skipped `yaml:",inline"`
	}
	_ = unmarshal(&head) // the strict decoding below tells its faults
	if isOtherKind(head.APIVersion, head.Kind) {
		m.other = head.Kind
		return nil
	}
	type fields manifest // without this method
	return unmarshal((*fields)(m))
}

const inValues = "as in a chart's values: give that list by itself"

const deepest = 8 // levels of a chart's values that are searched for rules

// nestedRules returns the path to a list of rules below the top level, or "".
func nestedRules(tree map[string]any, depth int) string {
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		if list, ok := tree[key].([]any); ok && depth > 0 && slices.ContainsFunc(list, hasVerbs) {
			return key
		}
		if depth == deepest {
			continue
		}
		if path := nestedRules(byString(tree[key]), depth+1); path != "" {
			return key + "." + path
		}
	}
	return ""
}

func hasVerbs(item any) bool { return byString(item)["verbs"] != nil }

// byString is an object by those of its keys that are strings.
func byString(value any) map[string]any {
	fields := map[string]any{}
	object, _ := value.(map[any]any)
	for key, field := range object {
		if name, ok := key.(string); ok {
			fields[name] = field
		}
	}
	return fields
}

// syntaxRemedy guesses why YAML cannot be read.
func syntaxRemedy(text string) string {
	switch {
	case strings.Contains(text, "{{"):
		return ": it looks like a template: render it first, as with helm template"
	case hasLiteralBreak(text):
		return ": " + literalBreak
	}
	return ""
}
