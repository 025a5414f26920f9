package rules

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v2"
)

// manifest is an object with rules, or one that contains such objects. A document that is a list has only its rules.
type manifest struct {
	APIVersion      string         `yaml:"apiVersion"`
	Kind            string         `yaml:"kind"`
	Metadata        map[string]any `yaml:"metadata"`
	Rules           []policyRule   `yaml:"rules"`
	AggregationRule any            `yaml:"aggregationRule"`
	Items           []manifest     `yaml:"items"`
}

type policyRule struct {
	Verbs           []string `yaml:"verbs"`
	APIGroups       []string `yaml:"apiGroups"`
	Resources       []string `yaml:"resources"`
	ResourceNames   []string `yaml:"resourceNames"`
	NonResourceURLs []string `yaml:"nonResourceURLs"`
}

type document struct{ manifest }

// skipped takes any value, to find out what it is inside of.
type skipped struct{}

// UnmarshalYAML does nothing.
func (*skipped) UnmarshalYAML(func(any) error) error { return nil }

// UnmarshalYAML decodes a list as rules and anything else as a manifest.
func (d *document) UnmarshalYAML(unmarshal func(any) error) error {
	if unmarshal(&[]skipped{}) == nil {
		return unmarshal(&d.Rules)
	}
	return unmarshal(&d.manifest)
}

// yaml reads all documents. The decoder is yaml.v2, on which sigs.k8s.io/yaml stands: itself it reads every document and
// not the first alone, heeds the case of fields, and its errors name lines. It bounds what aliases may repeat.
func (b *builder) yaml(text string) {
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
		if err != nil && !errors.As(err, &mistyped) { // no YAML, and what follows cannot be read
			b.fault("YAML", errors.New(strings.TrimPrefix(err.Error(), "yaml: ")))
			return
		}
		b.manifest(where, d.manifest, mistyped.Errors)
	}
}

// manifest adds the rules of one object, unless its fields were not as they should be. That follows from the kind if
// already that is wrong, and is then not told.
func (b *builder) manifest(where string, m manifest, mistyped []string) {
	if !slices.Contains(kinds, m.Kind) {
		b.fault(where+"kind", fmt.Errorf("%s has no rules: give a Role, a ClusterRole, or a List of those", shown(m.Kind)))
		return
	}
	if m.AggregationRule != nil {
		b.fault(where+"aggregationRule",
			errors.New("its rules are those of other roles and change with them: bind the role itself, or write its rules out"))
		return
	}
	for _, text := range mistyped { // "line 2: field vrbs not found in type rules.policyRule"
		text, _, _ = strings.Cut(text, " in type ")
		text, _, _ = strings.Cut(text, " into ")
		if strings.HasSuffix(text, " field "+clusterWord+" not found") {
			text += ": YAML has no word for it. In the shorthand the word has no colon, as in cluster get,list nodes"
		}
		b.fault("YAML", errors.New(text))
	}
	if len(mistyped) > 0 {
		return
	}
	for i, r := range m.Rules {
		b.rule(fmt.Sprintf("%srules[%d]", where, i), r)
	}
	for i, item := range m.Items {
		b.manifest(fmt.Sprintf("%sitems[%d].", where, i), item, nil)
	}
}

// rule asks of a rule what ValidatePolicyRule of Kubernetes does (pkg/apis/rbac/validation), then checks its words. All its
// groups times all its resources are granted, also what does not exist: a pipeline may hand that very Role on, and the
// API server then asks whether it holds all of it.
func (b *builder) rule(where string, r policyRule) {
	if !b.fits(where, len(r.Verbs), max(len(r.APIGroups), 1)*len(r.Resources)+len(r.NonResourceURLs), len(r.ResourceNames)) {
		return
	}
	urls := len(r.NonResourceURLs) > 0
	if len(r.Verbs) == 0 {
		b.fault(where, errors.New("verbs is empty or missing"))
	}
	if !urls && (len(r.APIGroups) == 0 || len(r.Resources) == 0) {
		b.fault(where, errors.New("apiGroups or resources is empty or missing"))
	}
	if urls && len(r.APIGroups) > 0 {
		b.fault(where, errors.New("apiGroups beside nonResourceURLs: URLs have no group"))
	}
	each(b, where, r.APIGroups, checkGroup)
	granted := line{verbs: r.Verbs, names: r.ResourceNames}
	for _, url := range r.NonResourceURLs {
		granted.targets = append(granted.targets, path(url))
	}
	checked := granted
	checked.targets = slices.Clone(granted.targets)
	for _, resource := range r.Resources {
		checked.targets = append(checked.targets, existing(r.APIGroups, resource)...)
		for _, group := range r.APIGroups {
			granted.targets = append(granted.targets, target{group: group, resource: resource})
		}
	}
	b.check(where, checked)
	b.parsed.Rules = append(b.parsed.Rules, granted.rules()...)
}

// existing are the groups that can have the resource. Where none can, it is a slip in each of them.
func existing(groups []string, resource string) (targets []target) {
	head, _, _ := strings.Cut(resource, "/")
	those := slices.DeleteFunc(slices.Clone(groups), func(group string) bool { return !exists(group, head) })
	if len(those) == 0 {
		those = groups
	}
	for _, group := range those {
		targets = append(targets, target{group: group, resource: resource})
	}
	return targets
}
