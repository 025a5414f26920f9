package syntax

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubemint/kubemint/internal/rules"
	"github.com/kubemint/kubemint/internal/rules/names"
)

// Bounds of what is parsed. An object in etcd has 1.5 MiB at most; comparing rules costs the
// product of their sizes.
const (
	maxText   = 1 << 20
	maxRules  = 1000
	maxGrants = 20_000 // verbs × groups × resources × names, over all rules
	maxFaults = 50
)

// ParseRules reads rules from shorthand or YAML; see the package's documentation for both and for
// how they are told apart. Its error is a join of all faults, each a line for a person: "line 3:
// unknown verb "lst": did you mean "list"?". Text without any rule is an error, since it would
// grant nothing and take away what was granted.
func ParseRules(text string) (Scoped, error) {
	if len(text) > maxText {
		return Scoped{}, fmt.Errorf("the rules have %d bytes, the limit is %d", len(text), maxText)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	b := &builder{}
	if isYAML.MatchString(text) {
		b.readYAML(text)
	} else {
		b.readShorthand(text)
	}
	if len(b.faults) > 0 {
		return Scoped{}, errors.Join(b.faults...)
	}
	if b.countRules() == 0 && len(b.parsed.PassedOver) > 0 {
		others := strings.Join(b.parsed.PassedOver, ", ")
		return Scoped{}, fmt.Errorf("no rule found: it has %s, and no Role or ClusterRole", others)
	}
	if b.countRules() == 0 {
		return Scoped{}, errors.New(
			"no rule found: the shorthand is VERBS RESOURCES [NAMES], as in get,list pods",
		)
	}
	return b.parsed, nil
}

// Scoped are rules by where they are granted.
type Scoped struct {
	Rules   []rbacv1.PolicyRule // where the input `scope` says
	Cluster []rbacv1.PolicyRule // at cluster scope: those that begin with the word cluster
	// kinds of objects that have no rules, which stood in the same manifest
	PassedOver []string
}

// All are the rules, wherever they are granted.
func (s Scoped) All() []rbacv1.PolicyRule { return slices.Concat(s.Rules, s.Cluster) }

// isYAML is, after blank lines and comments, a character that begins YAML or JSON, or a first word
// that ends with a colon.
var isYAML = regexp.MustCompile(`^(\s*#.*\n)*\s*([-{[%]|[^\s#]\S*:(\s|$))`)

// builder gathers rules and faults, and stops both where there are too many.
type builder struct {
	parsed Scoped
	faults []error
	grants float64 // which does not overflow
	full   bool
}

func (b *builder) countRules() int { return len(b.parsed.Rules) + len(b.parsed.Cluster) }

// addFault records an error, if there is one, and where it is.
func (b *builder) addFault(where string, err error) {
	if err == nil || b.full {
		return
	}
	if len(b.faults) >= maxFaults {
		b.full = true
		err = errors.New("there are more faults from here on")
	}
	b.faults = append(b.faults, fmt.Errorf("%s: %w", where, err))
}

// fitsLimits counts a rule before anything looks at its parts, and is false when there is too much:
// parts multiply, and YAML aliases repeat them.
func (b *builder) fitsLimits(where string, verbs, targets, names int) bool {
	b.grants += float64(verbs) * float64(targets) * float64(max(names, 1))
	if b.grants > maxGrants || b.countRules() >= maxRules {
		b.addFault(
			where,
			fmt.Errorf(
				"too much: the limits are %d rules, and %d combinations of verb, resource and name",
				maxRules, maxGrants,
			),
		)
		b.full = true
	}
	return !b.full
}

// checkLine checks the line, but for its groups.
func (b *builder) checkLine(where string, l rules.Line) {
	url := false
	resource := false
	custom := true
	for _, t := range l.Targets {
		url = url || t.URL != ""
		resource = resource || t.URL == ""
		custom = custom && t.Group != "*" && names.Builtin[t.Group] == nil
	}
	if url && (resource || len(l.Names) > 0) {
		b.addFault(
			where,
			errors.New("URLs have neither names nor resources beside them: write a rule for each"),
		)
	}
	checkEach(b, where, l.Verbs, func(verb string) error { return checkVerb(verb, url, custom) })
	if !l.IsAudience() {
		checkEach(b, where, l.Targets, checkTarget)
	}
	checkEach(b, where, l.Names, func(name string) error { return checkName(name, l.Targets) })
}

// checkEach records the faults of all items, until there are too many: the nearest word has its
// cost.
func checkEach[T any](b *builder, where string, items []T, check func(T) error) {
	for _, item := range items {
		if b.full {
			return
		}
		b.addFault(where, check(item))
	}
}

func (b *builder) readShorthand(text string) {
	for s := range splitStatements(text) {
		if err := s.check(); err != nil {
			b.addFault(s.where, err)
			continue
		}
		var lists [3][]string
		for i, column := range s.columns {
			lists[i] = strings.Split(column, ",")
		}
		verbs := lists[0]
		resources := lists[1]
		names := lists[2]
		if !b.fitsLimits(s.where, len(verbs), len(resources), len(names)) {
			return
		}
		if slices.Contains(slices.Concat(verbs, resources, names), "") {
			b.addFault(
				s.where,
				errors.New("an empty item beside a comma: lists are written without spaces"),
			)
			continue
		}
		l := rules.Line{Verbs: verbs, Names: names}
		for _, resource := range resources {
			l.Targets = append(l.Targets, resolveWord(resource))
		}
		checkEach(b, s.where, l.Targets, func(t rules.Target) error { return checkGroup(t.Group) })
		b.checkLine(s.where, l)
		if s.cluster {
			b.parsed.Cluster = append(b.parsed.Cluster, l.Rules()...)
		} else {
			b.parsed.Rules = append(b.parsed.Rules, l.Rules()...)
		}
	}
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
