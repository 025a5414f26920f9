package rules

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v2"
	rbacv1 "k8s.io/api/rbac/v1"
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

// parseYAML reads all documents. The decoder is yaml.v2, on which sigs.k8s.io/yaml stands: itself it reads every document
// and not the first alone, heeds the case of fields, and its errors name lines. It bounds what aliases may repeat.
func parseYAML(b *builder, text string) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.SetStrict(true)
	for number := 1; !b.full; number++ {
		where := ""
		if number > 1 {
			where = fmt.Sprintf("document %d: ", number)
		}
		var d document
		err := decoder.Decode(&d)
		var mistyped *yaml.TypeError
		switch {
		case errors.Is(err, io.EOF):
			return
		case err == nil:
			parseManifest(b, where, d.manifest)
		case !errors.As(err, &mistyped): // no YAML, and what follows cannot be read
			b.fault("YAML", errors.New(strings.TrimPrefix(err.Error(), "yaml: ")))
			return
		case !refused(b, where, d.manifest):
			for _, text := range mistyped.Errors { // "line 2: field vrbs not found in type rules.policyRule"
				text, _, _ = strings.Cut(text, " in type ")
				text, _, _ = strings.Cut(text, " into ")
				b.fault("YAML", errors.New(text))
			}
		}
	}
}

// refused records that the manifest is none that can be taken. This comes before faults in its fields, which follow from it.
func refused(b *builder, where string, m manifest) bool {
	if !slices.Contains([]string{"", "Role", "ClusterRole", "List", "RoleList", "ClusterRoleList"}, m.Kind) {
		b.fault(where+"kind", fmt.Errorf("%s has no rules: give a Role, a ClusterRole, or a List of those", shown(m.Kind)))
		return true
	}
	if m.AggregationRule != nil {
		b.fault(where+"aggregationRule",
			errors.New("its rules are those of other roles and change with them: bind the role itself, or write its rules out"))
		return true
	}
	return false
}

func parseManifest(b *builder, where string, m manifest) {
	if refused(b, where, m) {
		return
	}
	for i, r := range m.Rules {
		path := fmt.Sprintf("%srules[%d]", where, i)
		if !b.fits(path, len(r.Verbs), max(len(r.APIGroups), 1)*len(r.Resources)+len(r.NonResourceURLs), len(r.ResourceNames)) {
			return
		}
		parseRule(b, path, r)
	}
	for i, item := range m.Items {
		parseManifest(b, fmt.Sprintf("%sitems[%d].", where, i), item)
	}
}

// parseRule asks of a rule what ValidatePolicyRule of Kubernetes does (pkg/apis/rbac/validation), then checks its words.
func parseRule(b *builder, path string, r policyRule) {
	var faults []error
	require := func(field string, values []string) {
		if len(values) == 0 {
			faults = append(faults, fmt.Errorf("%s is empty or missing", field))
		}
	}
	require("verbs", r.Verbs)
	all := targets(rbacv1.PolicyRule{NonResourceURLs: r.NonResourceURLs})
	for _, t := range all {
		if err := checkURL(t.url); err != nil {
			faults = append(faults, err)
		}
	}
	custom := len(r.NonResourceURLs) == 0
	if custom {
		require("apiGroups", r.APIGroups)
		require("resources", r.Resources)
	} else if len(r.APIGroups) > 0 {
		faults = append(faults, errors.New("apiGroups beside nonResourceURLs: URLs have no group"))
	}
	for _, group := range r.APIGroups {
		if err := checkGroup(group); err != nil {
			faults = append(faults, err)
		}
		_, ours := builtin[group]
		custom = custom && !ours && group != "*"
	}
	for _, resource := range r.Resources {
		found, err := existing(r.APIGroups, resource)
		if err != nil {
			faults = append(faults, err)
		}
		all = append(all, found...)
		if len(faults) > maxFaults { // the nearest word has its cost
			break
		}
	}
	b.add(path, bare(r.Verbs), all, bare(r.ResourceNames), faults, custom)
}

// existing returns the resource in those of the groups that can have it. None is an error.
func existing(groups []string, resource string) (found []target, err error) {
	head, _, _ := strings.Cut(resource, "/")
	if strings.Contains(head, ".") {
		return nil, fmt.Errorf("resource %s: in YAML the group stands in apiGroups", shown(resource))
	}
	for _, group := range groups {
		if exists(group, head) {
			found = append(found, target{group: group, resource: resource})
			if err == nil {
				err = checkResource(group, resource)
			}
		}
	}
	if len(found) == 0 && len(groups) > 0 {
		err = unknownResource(head, groups[0])
	}
	return found, err
}

func bare(texts []string) []word {
	var words []word
	for _, text := range texts {
		words = append(words, word{text: text})
	}
	return words
}
