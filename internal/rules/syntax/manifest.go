package syntax

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/names"
	"github.com/kubemint/kubemint/internal/rules/syntax/mistyped"
)

// manifest is an object with rules, or one that contains such objects. A document that is a list
// has only its rules. Of an object of another kind only the kind is read.
type manifest struct {
	APIVersion      string         `yaml:"apiVersion"`
	Kind            string         `yaml:"kind"`
	Metadata        map[string]any `yaml:"metadata"`
	Rules           []policyRule   `yaml:"rules"`
	AggregationRule any            `yaml:"aggregationRule"`
	Items           []manifest     `yaml:"items"`
	other           string         // the kind, where the object is passed over
}

type policyRule struct {
	Verbs           []string `yaml:"verbs"`
	APIGroups       []string `yaml:"apiGroups"`
	Resources       []string `yaml:"resources"`
	ResourceNames   []string `yaml:"resourceNames"`
	NonResourceURLs []string `yaml:"nonResourceURLs"`
}

// addManifest adds the rules of one object, unless its fields are faulty. If the kind is wrong
// already, it reports only that: the other faults follow from it.
func (b *builder) addManifest(where string, m manifest, faults []string) {
	switch {
	case m.other != "":
		b.passOver(m.other)
		return
	case !slices.Contains(kinds, m.Kind):
		b.addFault(
			where+"kind",
			fmt.Errorf(
				"%s has no rules: give a Role, a ClusterRole, or a List of those",
				names.QuoteWord(m.Kind),
			),
		)
		return
	case m.AggregationRule != nil:
		b.addFault(
			where+"aggregationRule",
			errors.New(
				"its rules are those of other roles and change with them: bind the role itself, or write its rules out",
			),
		)
		return
	case len(faults) > 0:
		for _, text := range faults {
			b.addFault("YAML", errors.New(mistyped.Explain(text)))
		}
		return
	}
	for i, r := range m.Rules {
		b.addRule(fmt.Sprintf("%srules[%d]", where, i), r)
	}
	for i, item := range m.Items {
		b.addManifest(fmt.Sprintf("%sitems[%d].", where, i), item, nil)
	}
}

func (b *builder) passOver(kind string) {
	if !slices.Contains(b.parsed.PassedOver, kind) {
		b.parsed.PassedOver = append(b.parsed.PassedOver, kind)
	}
}

// addRule asks of a rule what ValidatePolicyRule of Kubernetes does (pkg/apis/rbac/validation),
// then checks its words. All its groups times all its resources are granted, also what does not
// exist: a pipeline may hand that very Role on, and the API server then asks whether it holds all
// of it.
func (b *builder) addRule(where string, r policyRule) {
	if !b.fitsLimits(
		where, len(r.Verbs), max(len(r.APIGroups), 1)*len(r.Resources)+len(r.NonResourceURLs),
		len(r.ResourceNames),
	) {
		return
	}
	urls := len(r.NonResourceURLs) > 0
	if len(r.Verbs) == 0 {
		b.addFault(where, errors.New("verbs is empty or missing"))
	}
	if !urls && (len(r.APIGroups) == 0 || len(r.Resources) == 0) {
		b.addFault(where, errors.New("apiGroups or resources is empty or missing"))
	}
	if urls && len(r.APIGroups) > 0 {
		b.addFault(where, errors.New("apiGroups together with nonResourceURLs: URLs have no group"))
	}
	checkEach(b, where, r.APIGroups, checkGroup)
	granted := rules.Line{Verbs: r.Verbs, Names: r.ResourceNames}
	for _, url := range r.NonResourceURLs {
		granted.Targets = append(granted.Targets, rules.URLTarget(url))
	}
	checked := granted
	checked.Targets = slices.Clone(granted.Targets)
	for _, resource := range r.Resources {
		checked.Targets = append(checked.Targets, existingTargets(r.APIGroups, resource)...)
		for _, group := range r.APIGroups {
			granted.Targets = append(granted.Targets, rules.Target{Group: group, Resource: resource})
		}
	}
	b.checkLine(where, checked)
	b.parsed.Rules = append(b.parsed.Rules, granted.Rules()...)
}

// existingTargets are the groups that can have the resource. Where none can, it is a slip in each
// of them.
func existingTargets(groups []string, resource string) (targets []rules.Target) {
	head, _, _ := strings.Cut(resource, "/")
	those := slices.DeleteFunc(
		slices.Clone(groups), func(group string) bool { return !names.HasResource(group, head) },
	)
	if len(those) == 0 {
		those = groups
	}
	for _, group := range those {
		targets = append(targets, rules.Target{Group: group, Resource: resource})
	}
	return targets
}

// kinds lists the kinds of objects that have rules, or contain such objects.
var kinds = []string{"", "Role", "ClusterRole", "List", "RoleList", "ClusterRoleList"}

// isOtherKind says whether an object of the API has no rules: a ServiceAccount, but also the Role
// of another API.
func isOtherKind(apiVersion, kind string) bool {
	const version = `^([a-z0-9.-]+/)?v[0-9]+((alpha|beta)[0-9]+)?$`
	const name = `^[A-Z][A-Za-z0-9]{0,62}$`
	if !regexp.MustCompile(version).MatchString(apiVersion) ||
		!regexp.MustCompile(name).MatchString(kind) {
		return false
	}
	group, _, hasGroup := strings.Cut(apiVersion, "/")
	ofRoles := !hasGroup || group == "rbac.authorization.k8s.io" ||
		group == "authorization.openshift.io"
	return !ofRoles || !slices.Contains(kinds, kind)
}
