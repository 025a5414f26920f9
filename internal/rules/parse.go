package rules

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Bounds of what is parsed. An object in etcd has 1.5 MiB at most; comparing rules costs the product of their sizes.
const (
	maxText   = 1 << 20
	maxRules  = 1000
	maxGrants = 20_000 // verbs × groups × resources × names, over all rules
	maxFaults = 50
)

// Parse reads rules from shorthand or YAML; see the package's documentation for both and for how they are told apart.
// Its error is a join of all faults, each a line for a person: "line 3: unknown verb "lst": did you mean "list"?". Text
// without any rule is an error, since it would grant nothing and take away what was granted.
func Parse(text string) (Scoped, error) {
	if len(text) > maxText {
		return Scoped{}, fmt.Errorf("the rules have %d bytes, the limit is %d", len(text), maxText)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	b := &builder{}
	if isYAML.MatchString(text) {
		b.yaml(text)
	} else {
		b.shorthand(text)
	}
	if len(b.faults) > 0 {
		return Scoped{}, errors.Join(b.faults...)
	}
	if b.count() == 0 && len(b.parsed.PassedOver) > 0 {
		others := strings.Join(b.parsed.PassedOver, ", ")
		return Scoped{}, fmt.Errorf("no rule found: it has %s, and no Role or ClusterRole", others)
	}
	if b.count() == 0 {
		return Scoped{}, errors.New("no rule found: the shorthand is VERBS RESOURCES [NAMES], as in get,list pods")
	}
	return b.parsed, nil
}

// Scoped are rules by where they are granted.
type Scoped struct {
	Rules      []rbacv1.PolicyRule // where the input `scope` says
	Cluster    []rbacv1.PolicyRule // at cluster scope: those that begin with the word cluster
	PassedOver []string            // kinds of objects that have no rules, which stood in the same manifest
}

// All are the rules, wherever they are granted.
func (s Scoped) All() []rbacv1.PolicyRule { return slices.Concat(s.Rules, s.Cluster) }

// isYAML is, after blank lines and comments, a character that begins YAML or JSON, or a first word that ends with a colon.
var isYAML = regexp.MustCompile(`^(\s*#.*\n)*\s*([-{[%]|[^\s#]\S*:(\s|$))`)

// builder gathers rules and faults, and stops both where there are too many.
type builder struct {
	parsed Scoped
	faults []error
	grants float64 // which does not overflow
	full   bool
}

func (b *builder) count() int { return len(b.parsed.Rules) + len(b.parsed.Cluster) }

// fault records an error, if there is one, and where it is.
func (b *builder) fault(where string, err error) {
	if err == nil || b.full {
		return
	}
	if len(b.faults) >= maxFaults {
		b.full = true
		err = errors.New("there are more faults from here on")
	}
	b.faults = append(b.faults, fmt.Errorf("%s: %w", where, err))
}

// fits counts a rule before anything looks at its parts, and is false when there is too much: parts multiply, and YAML
// aliases repeat them.
func (b *builder) fits(where string, verbs, targets, names int) bool {
	b.grants += float64(verbs) * float64(targets) * float64(max(names, 1))
	if b.grants > maxGrants || b.count() >= maxRules {
		b.fault(where, fmt.Errorf("too much: the limits are %d rules, and %d combinations of verb, resource and name", maxRules, maxGrants))
		b.full = true
	}
	return !b.full
}

// check checks the line, but for its groups.
func (b *builder) check(where string, l line) {
	url, resource, custom := false, false, true
	for _, t := range l.targets {
		url = url || t.url != ""
		resource = resource || t.url == ""
		custom = custom && t.group != "*" && builtin[t.group] == nil
	}
	if url && (resource || len(l.names) > 0) {
		b.fault(where, errors.New("URLs have neither names nor resources beside them: write a rule for each"))
	}
	each(b, where, l.verbs, func(verb string) error { return checkVerb(verb, url, custom) })
	if !l.onlyAudience() {
		each(b, where, l.targets, checkTarget)
	}
	each(b, where, l.names, func(name string) error { return checkName(name, l.targets) })
}

// each records the faults of all items, until there are too many: the nearest word has its cost.
func each[T any](b *builder, where string, items []T, check func(T) error) {
	for _, item := range items {
		if b.full {
			return
		}
		b.fault(where, check(item))
	}
}

func (b *builder) shorthand(text string) {
	for s := range statements(text) {
		if err := s.check(); err != nil {
			b.fault(s.where, err)
			continue
		}
		var lists [3][]string
		for i, column := range s.columns {
			lists[i] = strings.Split(column, ",")
		}
		verbs, resources, names := lists[0], lists[1], lists[2]
		if !b.fits(s.where, len(verbs), len(resources), len(names)) {
			return
		}
		if slices.Contains(slices.Concat(verbs, resources, names), "") {
			b.fault(s.where, errors.New("an empty item beside a comma: lists are written without spaces"))
			continue
		}
		l := line{verbs: verbs, names: names}
		for _, resource := range resources {
			l.targets = append(l.targets, resolve(resource))
		}
		each(b, s.where, l.targets, func(t target) error { return checkGroup(t.group) })
		b.check(s.where, l)
		if s.cluster {
			b.parsed.Cluster = append(b.parsed.Cluster, l.rules()...)
		} else {
			b.parsed.Rules = append(b.parsed.Rules, l.rules()...)
		}
	}
}

// resolve makes a target of a word of the second column.
func resolve(word string) target {
	if strings.HasPrefix(word, "/") {
		return target{url: word}
	}
	head, sub, slash := strings.Cut(word, "/")
	resource, group, dot := strings.Cut(head, ".")
	if !dot {
		group = groupOf(resource)
	}
	if slash {
		resource += "/" + sub
	}
	return target{group: group, resource: resource}
}
